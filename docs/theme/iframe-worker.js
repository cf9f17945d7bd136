// Browsers start no workers for pages opened as files: there the search runs in a hidden frame instead.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      this.inside = new Promise((resolve, reject) => {
        frame.addEventListener("load", () => {
          const inside = frame.contentWindow
          const load = source => new Promise((loaded, failed) => {
            const script = frame.contentDocument.createElement("script")
            Object.assign(script, {src: source, onload: loaded, onerror: failed})
            frame.contentDocument.body.append(script)
          })
          inside.postMessage = data => this.dispatchEvent(new MessageEvent("message", {data}))
          inside.importScripts = (...sources) => sources.reduce((all, each) => all.then(() => load(each)), Promise.resolve())
          load(url).then(() => resolve(inside), reject)
        }, {once: true})
      })
      document.body.append(frame)
    }
    postMessage(data) {
      this.inside.then(inside => inside.dispatchEvent(new inside.MessageEvent("message", {data})))
    }
  }
  window.Worker = window.IFrameWorker
}
