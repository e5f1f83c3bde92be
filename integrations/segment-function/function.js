// Goodword as a Segment Destination Function. Paste this whole file into the function editor; README.md beside it says which settings
// to create. Every event goes to POST {goodwordUrl}/segment as it is; a batch goes as a JSON array. What Goodword answers becomes one of
// Segment's four errors, so that Segment retries what can succeed later and shows a person everything else.

const MESSAGES_MAX = 2500 // Goodword's limits for one batch
const BODY_BYTES_MAX = 500 * 1000
const TIMEOUT_MS = 4500 // Segment ends a function after 5 seconds
const PASSED_ON_SETTINGS = ['registrationEvents', 'conversionEvents', 'unmappedTraits']

async function onIdentify(event, settings) {
  await sendOne(event, settings)
}

async function onTrack(event, settings) {
  await sendOne(event, settings)
}

async function onPage(event, settings) {
  await sendOne(event, settings)
}

async function onScreen(event, settings) {
  await sendOne(event, settings)
}

async function onGroup(event, settings) {
  await sendOne(event, settings)
}

async function onAlias(event, settings) {
  await sendOne(event, settings)
}

async function onDelete(event, settings) {
  await sendOne(event, settings)
}

// Returns one {status, errormessage} per event, in order: Segment sends only the failed ones again. Throws when the whole batch failed.
async function onBatch(events, settings) {
  const parts = split(events)
  const outcomes = await Promise.all(parts.map((part) => sendPart(part, settings)))
  const errors = outcomes.map((outcome) => outcome.error).filter(Boolean)
  if (errors.length && errors.length === parts.length) {
    throw errors.find((error) => error instanceof RetryError) || errors[0]
  }
  return outcomes.flatMap((outcome) => outcome.statuses)
}

async function sendOne(event, settings) {
  await post(JSON.stringify(event), settings)
}

// {statuses} of a part's events; {error, statuses} when the part was refused as a whole.
async function sendPart(part, settings) {
  try {
    const answer = await post('[' + part.join(',') + ']', settings)
    return { statuses: statusesOf(answer, part.length) }
  } catch (error) {
    const status = error instanceof RetryError ? 503 : 400
    return { error, statuses: part.map(() => ({ status, errormessage: error.message })) }
  }
}

function statusesOf(answer, length) {
  const results = answer && answer.results
  if (!Array.isArray(results) || results.length !== length) {
    throw new RetryError('Goodword did not answer with one result per event. Is goodwordUrl the address of a Goodword server?')
  }
  return results.map(({ status, message }) => (status < 300 ? { status: 200 } : { status, errormessage: message }))
}

// The events as JSON texts, in parts that are each within Goodword's limits. An event that is too large by itself is a part by itself.
function split(events) {
  const parts = []
  let part = []
  let bytes = 2
  for (const event of events) {
    const text = JSON.stringify(event)
    const more = Buffer.byteLength(text) + 1
    if (part.length && (part.length === MESSAGES_MAX || bytes + more > BODY_BYTES_MAX)) {
      parts.push(part)
      part = []
      bytes = 2
    }
    part.push(text)
    bytes += more
  }
  if (part.length) parts.push(part)
  return parts
}

// Goodword's answer as an object, or an error that tells Segment what to do.
async function post(body, settings) {
  if (!settings.goodwordUrl) throw new ValidationError('Setting goodwordUrl is empty: enter the address of your Goodword server.')
  if (!settings.apiKey) throw new ValidationError('Setting apiKey is empty: make one with "goodword key create segment --scope destination".')
  const url = settings.goodwordUrl.trim().replace(/\/+$/, '') + '/segment'
  let status
  let text
  try {
    const asked = fetch(url, { method: 'POST', headers: headersFor(settings), body, timeout: TIMEOUT_MS })
    ;({ status, text } = await inTime(asked.then(async (response) => ({ status: response.status, text: await response.text() }))))
  } catch (error) {
    throw new RetryError(`Goodword cannot be reached at ${url}: ${(error.cause && error.cause.message) || error.message}`)
  }
  const answer = parse(text)
  if (status >= 200 && status < 300) return answer
  throw errorFor(status, (answer && answer.message) || text.slice(0, 200) || 'no explanation')
}

function headersFor(settings) {
  const passedOn = {}
  for (const name of PASSED_ON_SETTINGS) {
    const value = settings[name]
    if (value !== undefined && value !== null && value !== '' && value.length !== 0) passedOn[name] = value
  }
  return {
    'Authorization': 'Basic ' + base64(settings.apiKey.trim() + ':'),
    'Content-Type': 'application/json',
    'X-Segment-Settings': base64(JSON.stringify(passedOn)),
  }
}

function errorFor(status, message) {
  const told = `Goodword answered ${status}: ${message}`
  if (status === 501) return new EventNotSupported(told)
  if (status === 408 || status === 429 || status >= 500) return new RetryError(told)
  if (status === 401) return new ValidationError(`${told} Fix the setting apiKey: the key is wrong or revoked.`)
  if (status === 403) return new ValidationError(`${told} Fix the setting apiKey: the key needs the scope "destination".`)
  if (status === 404 || status === 405) return new ValidationError(`${told} Fix the setting goodwordUrl: nothing takes events there.`)
  return new InvalidEventPayload(told)
}

// Without a limit of our own Segment would end the function and nobody would read why.
async function inTime(promise) {
  let timer
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${TIMEOUT_MS} ms`)), TIMEOUT_MS)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

function base64(text) {
  return Buffer.from(text, 'utf8').toString('base64')
}

function parse(text) {
  try {
    return JSON.parse(text)
  } catch (error) {
    return null
  }
}
