"""What commands about campaigns come to, a module a noun; `decide` hands them on."""
