// What the page shows is made by the bridge; this puts in what has changed, and says when news stop.
'use strict'
{
  const board = document.getElementById('board')
  const link = document.getElementById('link')
  const clock = document.getElementById('clock')
  const agents = document.getElementById('p-agents')
  const filters = document.getElementById('filters')
  const silence = 12000 // milliseconds without news that are too many; the bridge says something every 5 s
  let { boot, version, assets } = board.dataset
  let stream, heard = performance.now(), ahead = 0, pause = 0, trying = false

  document.documentElement.classList.add('scripted')

  // say changes a text only if it differs, so that it is read out once.
  function say(element, text) {
    if (element.textContent !== text) element.textContent = text
  }

  // span is how long something lasts, in words.
  function span(ms) {
    const minutes = Math.floor(ms / 60000)
    if (minutes < 1) return '<1 min'
    if (minutes < 60) return minutes + ' min'
    if (minutes < 1440) return Math.floor(minutes / 60) + ' h ' + String(minutes % 60).padStart(2, '0')
    return Math.floor(minutes / 1440) + ' d'
  }

  function age(root) {
    const now = Date.now() + ahead
    for (const e of root.querySelectorAll('[data-since]')) {
      e.began ??= Date.parse(e.dataset.since)
      say(e, span(now - e.began))
    }
  }

  function made(html) {
    const t = document.createElement('template')
    t.innerHTML = html
    return t.content.firstElementChild
  }

  // place puts a tile where it was, or where it belongs.
  function place(id, html) {
    const tile = made(html)
    const old = document.getElementById(id)
    age(tile)
    if (old) return old.replaceWith(tile)
    const list = document.getElementById('g-' + id.slice(2).split('.')[0])
    if (!list) return
    const next = Array.prototype.find.call(list.children, (t) => t.dataset.order > tile.dataset.order)
    list.insertBefore(tile, next ?? null)
  }

  function apply(patch) {
    boot = patch.boot
    version = patch.version
    if (patch.whole) {
      agents.innerHTML = patch.agents ?? ''
      age(agents)
      choices()
    }
    for (const id of patch.gone ?? []) document.getElementById(id)?.remove()
    for (const [id, html] of Object.entries(patch.tiles ?? {})) place(id, html)
    for (const [id, html] of Object.entries(patch.parts ?? {})) {
      const e = document.getElementById(id)
      if (!e) continue
      e.innerHTML = html
      age(e)
    }
  }

  // choices offers the tenants that there are.
  function choices() {
    const select = filters.elements.tenant
    const known = new Set(Array.from(select.options, (o) => o.value))
    for (const group of agents.children) {
      if (!known.has(group.dataset.tenant)) select.add(new Option(group.querySelector('h3').textContent, group.dataset.tenant))
    }
  }

  function news(time) {
    heard = performance.now()
    pause = 0
    ahead = time.at - Date.now()
    say(clock, time.clock)
    say(link, 'live')
    document.body.classList.remove('stale')
  }

  function silent() {
    document.body.classList.add('stale')
    say(link, 'No news since ' + clock.textContent + '. This page tries again by itself.')
  }

  function listen() {
    stream?.close()
    stream = new EventSource('wallboard/events?' + new URLSearchParams({ boot, version }))
    stream.addEventListener('hello', (e) => {
      if (e.data !== assets && sessionStorage.getItem('assets') !== e.data) {
        sessionStorage.setItem('assets', e.data) // once for each version: two bridges behind one address may differ
        location.reload()
      }
    })
    stream.addEventListener('patch', (e) => apply(JSON.parse(e.data)))
    stream.addEventListener('time', (e) => news(JSON.parse(e.data)))
    stream.onerror = () => {
      silent()
      stream.close()
      again()
    }
  }

  // again tries again, a little later each time; whoever must sign in is shown where.
  function again() {
    pause = Math.min(pause + 1000, 5000)
    trying = true
    setTimeout(async () => {
      trying = false
      heard = performance.now()
      const answer = await fetch('wallboard/probe', { cache: 'no-store' }).catch(() => null)
      if (answer?.status === 401) location.reload()
      else if (answer?.ok) listen()
      else again()
    }, pause)
  }

  // filter hides what is not asked for, and keeps that in the address.
  const chosen = new CSSStyleSheet()
  function filter() {
    const tenant = filters.elements.tenant.value, state = filters.elements.state.value
    let rules = ''
    if (tenant) rules += `[data-tenant]:not([data-tenant="${CSS.escape(tenant)}"]){display:none}`
    if (state) rules += `.tile:not(.s-${CSS.escape(state)}){display:none}`
    document.getElementById('filter')?.remove()
    chosen.replaceSync(rules)
    document.adoptedStyleSheets = [chosen]
    const query = new URLSearchParams(Object.entries({ tenant, state }).filter(([, v]) => v)).toString()
    history.replaceState(null, '', query ? '?' + query : location.pathname)
  }

  filters.addEventListener('change', filter)
  filters.addEventListener('submit', (e) => { e.preventDefault(); filter() })
  setInterval(() => age(document), 10000)
  setInterval(() => {
    if (performance.now() - heard <= silence || trying) return
    silent()
    stream.close()
    again()
  }, 1000)
  age(document)
  listen()
}
