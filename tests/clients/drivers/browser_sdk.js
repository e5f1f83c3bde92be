// Makes the calls of a job with a stock browser SDK. The SDK's bundle is in the page already; delivery is the SDK's own affair.
//
// job: {sdk, url, key, options, calls: [{call, userId, ...}]}

const sdks = {
  '@segment/analytics-next': async ({ url, key, options }) => {
    const [analytics] = await window.AnalyticsNext.AnalyticsBrowser.load({ writeKey: key, cdnURL: url }, options)
    return analytics
  },

  '@rudderstack/analytics-js': async ({ url, key, options }) => {
    const analytics = new window.rudderanalytics.RudderAnalytics()
    await new Promise((resolve) => {
      analytics.load(key, url, { configUrl: url, ...options })
      analytics.ready(resolve)
    })
    return analytics
  },
}

// A browser is one person at a time: the user is set by identify, and a call for an anonymous person comes from a fresh one.
const calls = {
  identify: (analytics, { userId, traits }) => analytics.identify(userId, traits),
  track: async (analytics, { anonymousId, event, properties }) => {
    if (anonymousId) analytics.setAnonymousId(anonymousId)
    await analytics.track(event, properties)
    if (anonymousId) analytics.reset(true)
  },
  page: (analytics, { name, properties }) => analytics.page(name, properties),
  group: (analytics, { groupId, traits }) => analytics.group(groupId, traits),
  alias: (analytics, { userId, previousId }) => analytics.alias(userId, previousId),
}

window.makeCalls = async (job) => {
  window.analytics = window.analytics ?? await sdks[job.sdk](job)
  for (const { call, ...message } of job.calls) await calls[call](window.analytics, message)
}
