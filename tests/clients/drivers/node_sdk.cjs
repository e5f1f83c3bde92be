// Makes the calls on stdin with a stock Node SDK, waits until they are delivered, and ends.
//
// stdin: {"sdk", "url", "key", "options", "calls": [{"call", "userId", ...}]}

const sdks = {
  '@segment/analytics-node': async ({ url, key, options, calls }) => {
    const { Analytics } = require('@segment/analytics-node')
    const analytics = new Analytics({ writeKey: key, host: url, ...options })
    for (const { call, ...message } of calls) analytics[call](message)
    await analytics.closeAndFlush()
  },

  'analytics-node': async ({ url, key, options, calls }) => {
    const Analytics = require('analytics-node')
    await makeAndFlush(new Analytics(key, { host: url, ...options }), calls)
  },

  '@rudderstack/rudder-sdk-node': async ({ url, key, options, calls }) => {
    const RudderAnalytics = require('@rudderstack/rudder-sdk-node')
    await makeAndFlush(new RudderAnalytics(key, { dataPlaneUrl: url, ...options }), calls)
  },
}

// These two SDKs send the first message alone and at once, and a flush sends at most one batch: ask again until every call was answered.
async function makeAndFlush (analytics, calls) {
  const answered = calls.map(({ call, ...message }) => new Promise((resolve) => analytics[call](message, resolve)))
  while (analytics.queue.length) await analytics.flush()
  const errors = (await Promise.all(answered)).filter(Boolean)
  if (errors.length) throw errors[0]
}

async function main () {
  let text = ''
  for await (const chunk of process.stdin) text += chunk
  const job = JSON.parse(text)
  await sdks[job.sdk](job)
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
