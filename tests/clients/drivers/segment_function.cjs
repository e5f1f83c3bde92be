// Runs a Segment Destination Function as Segment does: the unmodified source in a context of its own, with the globals Segment provides.
//
// stdin:  {"source", "handler", "argument", "settings"}
// stdout: {"returned": ...} or {"thrown": {"name", "message"}}

const vm = require('node:vm')

const errors = Object.fromEntries(
  ['RetryError', 'ValidationError', 'InvalidEventPayload', 'EventNotSupported'].map((name) => {
    const type = class extends Error {}
    Object.defineProperty(type, 'name', { value: name })
    return [name, type]
  })
)

async function main () {
  let text = ''
  for await (const chunk of process.stdin) text += chunk
  const { source, handler, argument, settings } = JSON.parse(text)
  const context = vm.createContext({ fetch, btoa, atob, Buffer, console, setTimeout, clearTimeout, ...errors })
  vm.runInContext(source, context, { filename: 'function.js' })
  try {
    return { returned: await context[handler](argument, settings) }
  } catch (error) {
    return { thrown: { name: error.constructor.name, message: error.message } }
  }
}

// A request that was given up must not keep the process: Segment ends its own too.
main().then((outcome) => process.stdout.write(JSON.stringify(outcome), () => process.exit(0)))
