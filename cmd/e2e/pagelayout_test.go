//go:build unix

package e2e

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// widths are those of phones, tablets and screens.
var widths = []int{320, 390, 768, 1024, 1280, 1440, 1920, 2560}

// overflowing returns what is beyond the right edge of the window, or of its card, and
// is not cut there.
const overflowing = `
	const width = document.documentElement.clientWidth, found = new Set();
	if (document.documentElement.scrollWidth > width) found.add('the page is ' + document.documentElement.scrollWidth);
	for (const e of document.querySelectorAll('body *')) {
		if (e.closest('.unseen, .skip') || !e.getClientRects().length) continue;
		const card = e.parentElement.closest('.card');
		let right = e.getBoundingClientRect().right;
		for (let p = e.parentElement; p && p !== card; p = p.parentElement)
			if (getComputedStyle(p).overflowX === 'hidden') right = Math.min(right, p.getBoundingClientRect().right);
		if (right > width + .5 || card && right > card.getBoundingClientRect().right + .5)
			found.add(e.tagName + '.' + e.getAttribute('class') + ' ' + Math.round(right) + ' ' + e.textContent.slice(0, 20));
	}
	return [...found].slice(0, 10)`

// pageWidths: nothing hangs out of its card, and nothing needs sideways scrolling, in
// windows of all sizes: with two jobs, with many, on the page of a job.
func pageWidths(t *testing.T, b *browser) {
	s := newPageServer(t)
	s.long()
	page := s.monitor()
	fits := func(what string) {
		t.Helper()
		for _, width := range widths {
			b.size(width, 800, 1)
			var found []string
			if b.js(&found, overflowing); len(found) > 0 {
				t.Errorf("%s in %d pixels: %q", what, width, found)
			}
		}
	}
	b.open(page)
	b.reads("export failed")
	b.until("packages", "document.querySelectorAll('.flights li').length === 3")
	fits("two jobs")
	for i := range 12 {
		oneRun(t, s.srv, fmt.Sprint("job ", i), nil)
	}
	b.until("many jobs", "document.querySelectorAll('.jobs.dense tbody').length === 14")
	fits("many jobs")
	// Each column has its place, whatever the values are.
	b.size(1280, 800, 1)
	var ragged []string
	b.js(&ragged, `
		const shown = row => [...row.children].filter(e => e.getClientRects().length);
		const rights = row => shown(row).map(e => e.className + ' ' + Math.round(e.getBoundingClientRect().right)).join();
		const all = new Set([...document.querySelectorAll('.jobs tr:not(.under)')].map(rights));
		return all.size === 1 ? [] : [...all]`)
	if len(ragged) > 0 {
		t.Errorf("the columns are ragged: %q", ragged)
	}
	b.click(".jobs [data-standing=running] .job a")
	b.until("a package", "document.querySelectorAll('.rows li').length === 3")
	fits("a job that runs")
	b.open(page + b.href(".crumbs a"))
	b.click(".jobs [data-standing=failed] .job a")
	b.reads("First error")
	fits("a job that failed")
	s.srv.Close()
	b.reads("has been away")
	fits("a lost server")
}

// pageAxe: axe-core, which is no part of this repository, finds no obstacle for people
// who do not see the page or use no mouse. MOM_AXE is the path of its axe.min.js.
func pageAxe(t *testing.T, b *browser) {
	path := os.Getenv("MOM_AXE")
	if path == "" {
		t.Skip("MOM_AXE does not name axe-core's axe.min.js: see .ci/run")
	}
	axe, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := newPageServer(t)
	j := s.job("site", wire.InitializeData{SourcePath: "/srv/site", DestinationPath: "/mnt/staging", Bytes: 1 << 30, Packages: 9})
	j.Warn("a.txt", "changed while it was read")
	started(t, j, wire.PackageHeader{FileSize: 1 << 20}, wire.PackageBody{Files: 3}).Moved(1 << 19)
	for i := range 8 { // so that there is a filter
		oneRun(t, s.srv, fmt.Sprint("job ", i), nil)
	}
	for range 5 {
		oneRun(t, s.srv, "docs", errors.New("the destination is not mounted"))
	}
	page := s.monitor("-notify", "http://127.0.0.1:1/secret")
	complaints := func(what string) {
		t.Helper()
		b.js(nil, "if (!window.axe) {"+string(axe)+"}")
		for _, scheme := range []string{"light", "dark"} {
			b.prefer("prefers-color-scheme", scheme, "prefers-reduced-motion", "reduce")
			var found []string
			b.js(&found, `
				await new Promise(done => setTimeout(done, 50));
				const { violations } = await axe.run();
				return violations.flatMap(v => v.nodes.map(n => v.impact + ' ' + v.id + ' ' + n.html.slice(0, 150) + ' ' + n.any.map(a => a.message).join('; ').slice(0, 150)))`)
			for _, text := range found {
				t.Errorf("%s, %s: %s", what, scheme, text)
			}
		}
	}
	b.open(page)
	b.reads("Newest warnings and errors")
	b.reads("1 message waits")
	complaints("all jobs")
	b.size(390, 844, 1)
	complaints("all jobs on a phone")
	b.size(1280, 800, 1)
	b.click(".jobs [data-standing=running] .job a")
	b.until("a package", "document.querySelector('.rows li')")
	complaints("a job that runs")
	b.click(".crumbs a")
	b.click(".jobs [data-standing=failed] .job a")
	b.reads("First error")
	complaints("a job that failed")
	s.srv.Close()
	b.reads("has been away")
	complaints("a job of a lost server")
	b.click(".crumbs a")
	b.until("the overview", "document.querySelector('.jobs tbody')")
	complaints("a lost server")
	b.prefer()
}

// pageTimeline: of a run with ten thousand packages, the page shows those that failed
// and the slowest ones, large enough to be seen, and the reason is a click away.
func pageTimeline(t *testing.T, b *browser) {
	srv, addr := serveHere(t, momserver.Config{CacheEvents: 100_000})
	s := &pageServer{t, srv, addr}
	page := s.monitor()
	j := s.job("many", wire.InitializeData{ContinueOnError: true})
	slow := started(t, j, wire.PackageHeader{FileSize: 10}, wire.PackageBody{Files: 1})
	slow.Moved(1)
	for n := range 10_000 {
		p := started(t, j, wire.PackageHeader{}, wire.PackageBody{Files: 1})
		err := p.Transferred()
		if n == 2 {
			err = p.FailItem("dir/broken.png", errors.New("no space left on device"))
		} else if err == nil {
			err = p.Complete()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	slow.Moved(9)
	if err := errors.Join(slow.Transferred(), slow.Complete(), j.Complete()); err != nil {
		t.Fatal(err)
	}
	b.open(page)
	b.reads("with errors")
	b.click(".jobs .job a")
	b.until("how many are not kept", `/9.501 of 10.001 packages not kept/.test(document.querySelector(".timeline").textContent)`)
	b.until("the failed package", "[...document.querySelectorAll('.rows [data-standing=failed] .number')].some(e => e.textContent === '#4')")
	b.until("few packages, the slowest among them", "document.querySelectorAll('.rows li').length <= 30 && document.querySelector('.rows .number').textContent === '#1'")
	b.until("one that is seen well", "[...document.querySelectorAll('.rows .track')].some(e => [...e.children].some(i => i.getBoundingClientRect().width > e.getBoundingClientRect().width / 4))")
	b.click(".timeline input[value=all]")
	b.until("all that are kept", "document.querySelectorAll('.rows li').length === 500")
	b.click(".first a")
	b.until("the place of the error", "document.activeElement.matches('.log .Error') && document.activeElement.textContent.includes('dir/broken.png')")
	b.quiet()
}

// pageFirstError: the page of a failed job says at the top why, and links to the place.
// The address of the place can be sent to somebody. The IDs can be copied.
func pageFirstError(t *testing.T, b *browser) {
	s := newPageServer(t)
	j := s.job("docs", wire.InitializeData{})
	for i := range 40 {
		j.Warn(fmt.Sprint(i), "careful")
	}
	if err := j.Fail(errors.New("the source does not exist")); err != nil {
		t.Fatal(err)
	}
	page := s.monitor()
	b.open(page)
	b.until("the reason in the row", "document.querySelector('.jobs .why')?.textContent.includes('the source does not exist')")
	b.click(".jobs .job a")
	b.reads("First error: the source does not exist")
	b.reads("The run failed before its first package: the source does not exist")
	b.click(".choices input[value=Error]")
	b.click(".first a")
	const there = "document.activeElement.matches('.log .Error') && location.hash.includes('at=log-')"
	b.until("the place", there)
	var address string
	b.js(&address, "return location.href")
	b.open("about:blank")
	b.open(address)
	b.until("the place again", there)
	b.until("the IDs", "document.querySelector('.ids code')?.textContent")
	var id string
	b.js(&id, "return document.querySelector('.ids code').textContent")
	if want := jobID("docs").String(); id != want {
		t.Errorf("the ID of the job is %q, want %q", id, want)
	}
	b.js(nil, "document.querySelector('.copyable button').focus()")
	b.press(keyEnter)
	b.until("it is copied", "document.querySelector('.copyable button').textContent === 'Copied'")
	if zone := b.text(); !strings.Contains(zone, "All times are in ") {
		t.Error("no time zone")
	}
	b.quiet()
}

// rows returns the names of the jobs in the order of the page.
func (b *browser) rows() (names []string) {
	b.t.Helper()
	b.js(&names, "return [...document.querySelectorAll('.jobs tbody .job a')].map(a => a.textContent)")
	return names
}

// inOrder waits until the jobs are listed in this order.
func (b *browser) inOrder(names ...string) {
	b.t.Helper()
	b.until(fmt.Sprintf("the order %q", names), "[...document.querySelectorAll('.jobs tbody .job a')].map(a => a.textContent).join() === arguments[0]", strings.Join(names, ","))
	if got := b.rows(); !slices.Equal(got, names) {
		b.t.Errorf("%q, want %q", got, names)
	}
}
