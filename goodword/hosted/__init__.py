"""Pages that a campaign shows people: `share.py` an advocate's own page, `friend.py` where a friend lands.

A page is made in three steps: who may see it and what is known of them (`admission.py`, `storage/query/advocate.py`), how a campaign
speaks in the reader's language (`voice.py`, `words/`), and HTML under a strict policy (`page.py`, `templates/`). All of it works without
JavaScript; `static/page.js` adds copying and the phone's own share sheet.
"""
