//go:build unix

package e2e

import (
	"errors"
	"strings"
	"testing"

	"mom.internal/wire"
)

// pageOrder: the jobs that need attention come first, with the reason. A heading sorts,
// a chip and a name filter, and the address has all of it: after a reload, back from a
// job, and for somebody else.
func pageOrder(t *testing.T, b *browser) {
	s := newPageServer(t)
	for _, name := range []string{"b", "a10", "a9", "d"} {
		oneRun(t, s.srv, name, nil)
	}
	oneRun(t, s.srv, "zz", errors.New("no space left on device"))
	running := s.job("e", wire.InitializeData{})
	errs := s.job("f", wire.InitializeData{})
	errs.Error("x", "unreadable")
	if err := errs.Complete(); err != nil {
		t.Fatal(err)
	}
	page := s.monitor()
	b.open(page)
	usual := []string{"zz", "f", "e", "a9", "a10", "b", "d"}
	b.inOrder(usual...)
	b.until("the reason", "document.querySelector('.jobs tbody').textContent.includes('no space left on device')")
	b.until("all in a few lines", "/1 failed: zz.*1 had errors: f.*1 running/.test(document.querySelector('.glance').textContent)")
	b.until("no name of the only server", "!document.querySelector('main').innerText.includes(arguments[0])", s.addr)
	is := func(hash string) {
		t.Helper()
		b.until("the address ends with "+hash, "location.hash === arguments[0]", hash)
	}
	byName := []string{"zz", "f", "e", "d", "b", "a10", "a9"}
	b.click("th.job button")
	b.click("th.job button")
	b.inOrder(byName...)
	is("#/?sort=-job")
	b.until("it says so", "document.querySelector('th.job').getAttribute('aria-sort') === 'descending'")
	b.js(nil, "location.reload()")
	b.inOrder(byName...)
	b.click(".chip[data-standing=succeeded]")
	b.inOrder("d", "b", "a10", "a9")
	is("#/?show=succeeded&sort=-job")
	b.js(nil, "document.querySelector('input[type=search]').focus()")
	b.press("a")
	b.inOrder("a10", "a9")
	is("#/?show=succeeded&find=a&sort=-job")
	b.click(".jobs .job a")
	b.until("the job", "document.querySelector('h1').textContent === 'a10'")
	b.js(nil, "history.back()")
	b.inOrder("a10", "a9")
	b.until("the job has the focus", "document.activeElement.textContent === 'a10'")
	b.until("the choice is seen", "document.querySelector('.chip[data-standing=succeeded]').getAttribute('aria-pressed') === 'true' && document.querySelector('input[type=search]').value === 'a'")
	b.click(".jobs .job a")
	b.click(".crumbs a") // leads to the same
	b.inOrder("a10", "a9")
	b.js(nil, "history.go(-2)")
	b.inOrder("a10", "a9")
	b.js(nil, "history.back()") // what was typed has no entry of its own
	b.inOrder(byName...)
	b.open(page + "#/?find=A&sort=job")
	b.inOrder("a9", "a10")
	b.click("th.job button")
	b.click("th.job button")
	is("#/?find=A")
	b.open(page + "#/?show=succeeded&sort=nonsense")
	b.inOrder("a9", "a10", "b", "d")

	// The focus stays on its job, wherever that goes.
	b.open(page + "#/")
	b.inOrder(usual...)
	b.js(nil, "[...document.querySelectorAll('.jobs .job a')].find(a => a.textContent === 'd').focus()")
	b.js(nil, "location.hash = '#/?sort=-job'")
	b.inOrder(byName...)
	b.until("the job has the focus", "document.activeElement.textContent === 'd'")
	// A row that somebody reads stays in its place.
	oneRun(t, s.srv, "b", errors.New("late"))
	b.js(nil, "location.hash = '#/'")
	b.inOrder("b", "zz", "f", "e", "a9", "a10", "d")
	b.js(nil, "document.querySelector('.jobs tbody').dispatchEvent(new PointerEvent('pointermove', {bubbles: true}))")
	oneRun(t, s.srv, "b", nil)
	b.until("it has succeeded", "document.querySelector('.jobs tbody').dataset.standing === 'succeeded'")
	b.inOrder("b", "zz", "f", "e", "a9", "a10", "d")
	// An error while the job runs counts, as it does on the terminal.
	running.Error("x", "unreadable")
	running.Expect(2, 0, 0)
	b.open(page + "#/?again")
	b.js(nil, "location.reload()")
	b.inOrder("zz", "e", "f", "a9", "a10", "b", "d")
	b.quiet()
}

// pageKeys: the page can be used without a mouse: / to the filter, the arrows from job
// to job, Escape back.
func pageKeys(t *testing.T, b *browser) {
	s := newPageServer(t)
	for _, name := range []string{"a", "b1", "b2", "b3"} {
		oneRun(t, s.srv, name, nil)
	}
	b.open(s.monitor())
	b.inOrder("a", "b1", "b2", "b3")
	at := func(name string) {
		t.Helper()
		b.until("the focus is on "+name, "document.activeElement.textContent === arguments[0]", name)
	}
	const down, up, escape, end = "\ue015", "\ue013", "\ue00c", "\ue010"
	b.press(down)
	at("a")
	b.press("/")
	b.until("the filter", "document.activeElement.type === 'search'")
	b.press("b")
	b.inOrder("b1", "b2", "b3")
	b.press(down)
	at("b1")
	b.press(down, down)
	at("b3")
	b.press(up)
	at("b2")
	b.press(end)
	at("b3")
	b.press(up, keyEnter)
	b.until("its page", "document.querySelector('h1').textContent === 'b2'")
	b.press(escape)
	b.inOrder("b1", "b2", "b3")
	at("b2")
	b.press("/", escape)
	b.inOrder("a", "b1", "b2", "b3")

	// The focus stays on a link above the list, of which the text beside it changes.
	oneRun(t, s.srv, "b1", errors.New("full"))
	for _, link := range []struct{ at, changed string }{{".glance .facts a", "/1 failed: b1 .[1-9]/"}, {"#newest a", "/2×/"}} {
		b.until("the job above the list", "document.querySelector(arguments[0])", link.at)
		b.js(nil, "document.querySelector(arguments[0]).focus()", link.at)
		if link.at == "#newest a" {
			oneRun(t, s.srv, "b1", errors.New("full"))
		}
		b.until("its text has changed", link.changed+".test(document.querySelector('.glance').textContent)")
		at("b1")
	}
	b.quiet()
}

// pageTab: the title and the icon of the tab say what is the matter. Those who switch
// notifications on are told of a job that fails, once, and of a server that is lost.
func pageTab(t *testing.T, b *browser) {
	s := newPageServer(t)
	oneRun(t, s.srv, "before", errors.New("an old failure"))
	page := s.monitor()
	b.open(page)
	tab := func(title, icon string) {
		t.Helper()
		b.until("the title "+title+" and the icon "+icon, "document.title === arguments[0] && document.querySelector('link[rel=icon]').dataset.kind === arguments[1]", title, icon)
	}
	tab("1 failed · MoM", "failed")
	oneRun(t, s.srv, "before", nil)
	tab("MoM", "plain")
	j := s.job("site", wire.InitializeData{})
	tab("1 running · MoM", "running")
	b.until("off at first", "document.querySelector('.notify').textContent === 'Notify me'")
	b.grant("notifications")
	b.js(nil, "window.told = []; window.Notification = class extends Notification { constructor(title, options) { super(title, options); told.push(title + ': ' + options.body) } }")
	b.click(".notify")
	b.until("they are on", "document.querySelector('.notify').getAttribute('aria-pressed') === 'true'")
	if err := j.Fail(errors.New("no space left on device")); err != nil {
		t.Fatal(err)
	}
	tab("1 failed · MoM", "failed")
	const told = "told.join('\\n') === arguments[0]"
	first := "site: failed: no space left on device"
	b.until("it is told", told, first)
	j = s.job("site", wire.InitializeData{})
	tab("1 failed, 1 running · MoM", "failed")
	if err := j.Fail(errors.New("no space left on device")); err != nil {
		t.Fatal(err)
	}
	b.until("it has failed twice", "document.querySelector('.why').textContent.includes('2×')")
	b.click(".jobs tbody .job a")
	b.until("its page", "document.querySelector('h1').textContent === 'site'")
	oneRun(t, s.srv, "docs", errors.New("denied"))
	b.until("it is told on the page of another job", told, first+"\ndocs: failed: denied")
	s.srv.Close()
	b.until("the server is told", "told.length === 3 && told[2].startsWith('Lost ')")
	b.until("the title says it", "document.title.startsWith('Lost ') && document.querySelector('link[rel=icon]').dataset.kind === 'lost'")
	b.click(".notify")
	b.until("they are off", "document.querySelector('.notify').getAttribute('aria-pressed') === 'false'")
	for _, c := range b.complaints() {
		if !strings.Contains(c, "api/live") {
			t.Error(c)
		}
	}
}
