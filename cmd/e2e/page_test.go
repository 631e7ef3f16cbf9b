//go:build unix

package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// TestPage tests the page of the monitor in a real browser. All its tests use
// one browser.
func TestPage(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	for name, test := range map[string]func(*testing.T, *browser){
		"Run": pageRun, "Restart": pageRestart, "Hostile": pageHostile, "Phone": pagePhone, "Dark": pageDark, "Keyboard": pageKeyboard, "Flood": pageFlood, "Missed": pageMissed, "History": pageHistory, "Tabs": pageTabs,
		"Widths": pageWidths, "Axe": pageAxe, "Timeline": pageTimeline, "FirstError": pageFirstError, "Order": pageOrder, "Keys": pageKeys, "Tab": pageTab, "Servers": pageServers, "Many": pageMany,
	} {
		t.Run(name, func(t *testing.T) {
			b := b.with(t)
			b.size(1280, 800, 1)
			test(t, b)
			b.open("about:blank") // otherwise the page keeps asking a monitor that has ended
		})
	}
}

// pageRun follows a real job from its start to its end, while the monitor
// prints JSON. The page of the job has its packages, its bytes and its runs.
func pageRun(t *testing.T, b *browser) {
	src, dst := tree(t, 130)
	server, addr := serve(t, "", "-once", "-wait", "2", "-bandwidth", "60000", src, dst)
	monitor := start(t, "momclient", "-addr", addr, "-o", "json", "-http", "127.0.0.1:0", "-period", "1s")
	b.open(pageOf(monitor))
	b.reads("No job yet")
	second := watch(t, addr, "-exit-when-done")
	b.reads("site to staging")
	b.reads("transferring")
	b.until("some bytes", "(n => n > 0 && n < 100)(parseFloat(document.querySelector('.jobs .done').textContent))")
	b.click(".jobs .job a")
	b.until("a package on the timeline", "document.querySelector('.rows .track .transfer')?.getBoundingClientRect().width > 1")
	second.exits(0)
	b.reads("Took")
	b.until("all packages", "document.querySelectorAll('.rows [data-standing=completed]').length === 4")
	b.until("its throughput", "document.querySelector('.chart .line').getAttribute('d').length > 5")
	b.until("its run", "document.querySelector('.runs tbody a[aria-current]')")
	b.until("its files", "document.querySelector('.facts').innerText.includes('130/130')")
	b.click(".crumbs a")
	b.reads("1 succeeded")
	server.exits(0)
	same(t, src, dst)
	b.quiet()
	if all := events(t, monitor.stdout.String()); len(all) == 0 || all[len(all)-1].Data.Status.State != wire.JobCompleted {
		t.Errorf("%d events are printed", len(all))
	}
}

// pageRestart: the page says that the server is away, or that the monitor is,
// and comes back without help each time.
func pageRestart(t *testing.T, b *browser) {
	src, dst := tree(t, 5)
	server, addr := serve(t, restartable(), src, dst)
	monitor := start(t, "momclient", "-addr", addr, "-o", "json", "-http", restartable(), "-period", "1s")
	page := pageOf(monitor)
	b.open(page)
	b.reads("1 succeeded")
	server.kill()
	b.reads("The server has been away since")
	b.until("the place for it is filled", "document.querySelector('#said[role=status]').textContent.startsWith('Lost')")
	serve(t, addr, src, dst)
	b.reads("server restarted 1×")
	b.until("no notice", "document.getElementById('notice').hidden")
	monitor.kill()
	b.reads("momclient has not answered since")
	b.reads("site to staging")
	http := strings.TrimSuffix(strings.TrimPrefix(page, "http://"), "/")
	start(t, "momclient", "-addr", addr, "-o", "json", "-http", http, "-period", "1s")
	b.until("no notice", "document.getElementById('notice').hidden")
	b.reads("Connected to " + addr)
	b.reads("1 succeeded")
}

// pageTabs: eight tabs in windows of their own load, though a browser has six
// connections to a host. All follow what happens, also after the others are closed.
func pageTabs(t *testing.T, b *browser) {
	s := newPageServer(t)
	s.job("site", wire.InitializeData{})
	page := s.monitor()
	first := b.tab()
	b.open(page)
	b.reads("1 running")
	tabs := []string{first}
	for range 7 {
		tabs = append(tabs, b.newTab())
		began := time.Now()
		b.open(page)
		b.reads("1 running")
		t.Logf("tab %d after %v", len(tabs), time.Since(began).Round(time.Millisecond))
	}
	if err := s.job("docs", wire.InitializeData{}).Complete(); err != nil {
		t.Fatal(err)
	}
	for _, tab := range tabs {
		b.turnTo(tab)
		b.reads("1 succeeded")
	}
	for _, tab := range tabs[1:] {
		b.turnTo(tab)
		b.closeTab()
	}
	b.turnTo(first)
	if err := s.job("photos", wire.InitializeData{}).Complete(); err != nil {
		t.Fatal(err)
	}
	b.reads("2 succeeded")
	b.quiet()
}

// pageHistory: after a restart of the monitor, and without the server, the page has the
// jobs and runs of the history, with the idle runs folded, and says which messages
// wait.
func pageHistory(t *testing.T, b *browser) {
	s := newPageServer(t)
	history := filepath.Join(t.TempDir(), "history")
	args := []string{"-history", history, "-notify", "http://127.0.0.1:1/secret"}
	s.monitor(args...)
	for _, job := range []string{"site", "docs"} {
		j := s.job(job, wire.InitializeData{})
		p := started(t, j, wire.PackageHeader{FileSize: 3 << 20}, wire.PackageBody{Files: 12})
		p.Moved(3 << 20)
		for _, step := range []func() error{p.Transferred, p.Complete, j.Complete} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 3 {
		oneRun(t, s.srv, "site", nil)
	}
	oneRun(t, s.srv, "docs", errors.New("<b>the destination is not mounted</b>"))
	page := s.monitor("-notify", "http://127.0.0.1:1/secret") // has no history
	b.open(page)
	b.reads("1 message waits since")
	all(t, "a whole history", []string{history}, func(path string) bool { return len(linesOf(path)) == 7 })
	s.srv.Close()

	copied := history + "2" // the first monitor still has the other
	text, err := os.ReadFile(history)
	if err == nil {
		err = os.WriteFile(copied, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.open(s.monitor("-history", copied))
	b.reads("No answer from")
	row := func(job string) string {
		return "[...document.querySelectorAll('.jobs tbody')].find(e => e.textContent.includes('" + job + "')).textContent"
	}
	b.until("what the site did last", row("site")+".includes('nothing to move 3×')&&"+row("site")+".includes('12 files, 3.0 MiB')&&!"+row("site")+".includes('ailed')")
	b.until("why the docs failed", row("docs")+".includes('<b>the destination is not mounted</b>')")
	b.until("a trend", "(trends => trends('.failed').length === 1 && trends('').length === 2)(kind => [...document.querySelectorAll('.trend .bars' + (kind || ':not(.failed)'))].filter(e => e.getAttribute('d')))")
	b.reads("1 failed")
	b.click(".jobs .job a")
	b.until("the runs", "document.querySelectorAll('.runs tbody tr').length === 2")
	b.js(nil, "location.hash = '#/'")
	b.until("all jobs", "document.querySelectorAll('.jobs .job a').length === 2")
	b.js(nil, "[...document.querySelectorAll('.jobs .job a')].find(a => a.textContent === 'site').click()")
	b.reads("nothing to move, 3×")
	b.complaints()
}

// pageHostile: whatever a name holds, the page shows it as text. The name makes
// no element, runs no script and requests nothing.
func pageHostile(t *testing.T, b *browser) {
	const evil = `<img src=x onerror="window.pwned=1">`
	s := newPageServer(t)
	j := s.job(evil, wire.InitializeData{SourcePath: evil, DestinationPath: "javascript:pwned=1", Packages: 2, Bytes: 20})
	j.Warn("'\"><svg onload=pwned=1>", evil)
	j.Warn("a\u202etxt.exe", "\x1b[31m"+"{{7*7}}")
	p := started(t, j, wire.PackageHeader{FileSize: 10, TargetFilePath: evil}, wire.PackageBody{Files: 1, Item: "</bdi><script>window.pwned=1</script>"})
	p.Sent(5)
	p.Received(5)
	s.job(`"><script>window.pwned=1</script>`, wire.InitializeData{}).Complete()
	page := s.monitor()
	b.open(page)
	b.reads(evil)
	b.reads(`"><script>window.pwned=1</script>`)
	b.reads(`a\u{202e}txt.exe`)
	var files []string
	entries, err := os.ReadDir(filepath.Join("..", "momclient", "internal", "web", "page"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		files = append(files, e.Name())
	}
	check := func() {
		t.Helper()
		b.until("nothing is made of it", "!window.pwned && !document.querySelector('main img, main script, main svg:not(.chart svg, .trend svg), main [onload], main [onerror]')")
		var asked []string
		b.js(&asked, "return performance.getEntriesByType('resource').map(r => r.name)")
		for _, url := range asked {
			path, ours := strings.CutPrefix(url, page)
			if strings.HasPrefix(url, "data:image/svg+xml,") {
				continue
			}
			if path, _, _ = strings.Cut(path, "?"); !ours || !slices.Contains(append(files, "api/live", "favicon.ico"), path) {
				t.Errorf("it asked for %s", url)
			}
		}
	}
	check()
	b.js(nil, "[...document.querySelectorAll('.jobs .job a')].find(a => a.textContent.startsWith('<img')).click()")
	b.until("its page", "document.querySelector('h1').textContent === arguments[0] && document.title.includes('<img')", evil)
	b.reads(`'"><svg onload=pwned=1>`)
	b.reads(`\u{1b}[31m{{7*7}}`)
	check()
	b.quiet()
	var threw bool
	if b.js(&threw, "try { document.body.innerHTML = 'x' } catch { return true }"); !threw {
		t.Error("the policy lets texts become markup")
	}
	b.complaints()
}

// long makes jobs and texts that have no place to break a line, running and
// ended.
func (s *pageServer) long() {
	long := strings.Repeat("verylongname", 20)
	j := s.job(long, wire.InitializeData{SourcePath: "/" + long, DestinationPath: "/" + long, Packages: 1200, FilesInPackages: 48_000, Bytes: 1 << 41})
	j.Warn(long, long)
	for range 3 {
		p := started(s.t, j, wire.PackageHeader{FileSize: 1 << 31, TargetFilePath: long}, wire.PackageBody{Files: 40, Item: long})
		p.Sent(1 << 30)
		p.Received(1 << 30)
	}
	failed := s.job("failed", wire.InitializeData{})
	if err := failed.Fail(errors.New(long)); err != nil {
		s.t.Fatal(err)
	}
}

func started(t *testing.T, j *momserver.Job, h wire.PackageHeader, b wire.PackageBody) *momserver.Package {
	t.Helper()
	p, err := j.StartPackage(h, b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pagePhone: the page needs no horizontal scrolling in a window of 320 pixels.
func pagePhone(t *testing.T, b *browser) {
	s := newPageServer(t)
	s.long()
	b.size(320, 640, 2)
	b.open(s.monitor())
	b.reads("export failed")
	fits := "document.documentElement.scrollWidth <= 320 && innerWidth === 320"
	b.until("the overview fits", fits)
	b.click(".jobs [data-standing=running] .job a")
	b.until("a package", "document.querySelectorAll('.rows li').length === 3")
	b.until("the job's page fits", fits)
	b.until("texts are legible", "[...document.querySelectorAll('main *')].every(e => !e.textContent || parseFloat(getComputedStyle(e).fontSize) >= 11)")
	s.srv.Close()
	b.reads("has been away")
	b.until("the notice fits", fits)
}

// pageDark: the page is light or dark as the user prefers, is legible in both,
// and does not move if the user prefers that.
func pageDark(t *testing.T, b *browser) {
	s := newPageServer(t)
	s.long()
	b.open(s.monitor())
	b.reads("export failed")
	// The contrast of each text with the background of the page or the card, as
	// WCAG 2 defines it.
	const contrast = `
		const light = c => { const [r, g, b] = c.match(/[\d.]+/g).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b };
		const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!c.startsWith('rgba')) return c } };
		const bad = [];
		for (const e of document.querySelectorAll('body *')) {
			if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.offsetParent) continue;
			const a = light(getComputedStyle(e).color), b = light(ground(e)), c = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
			if (c < 4.5) bad.push(e.className + ' ' + e.textContent.slice(0, 20) + ' ' + c.toFixed(2));
		}
		return [light(getComputedStyle(document.body).backgroundColor).toFixed(3), ...bad]`
	for _, scheme := range []string{"light", "dark"} {
		b.prefer("prefers-color-scheme", scheme)
		for _, part := range []string{"#/", b.href(".jobs [data-standing=running] .job a")} {
			b.js(nil, "location.hash = arguments[0]", part)
			b.until("it is drawn", "document.querySelector('.jobs tbody, .rows li')")
			var found []string
			b.js(&found, contrast)
			if ground := found[0]; (scheme == "dark") != (ground < "0.2") {
				t.Errorf("%s: the ground is %s", scheme, ground)
			}
			if len(found) > 1 {
				t.Errorf("%s %s: too little contrast: %q", scheme, part, found[1:])
			}
		}
		b.js(nil, "location.hash = '#/'")
		b.until("it is drawn", "document.querySelector('.jobs tbody')")
	}
	moves := "getComputedStyle(document.querySelector('.bar i')).transitionDuration !== '0s'"
	b.prefer("prefers-reduced-motion", "no-preference")
	b.until("it moves", moves)
	b.prefer("prefers-reduced-motion", "reduce")
	b.until("it does not move", "!("+moves+")")
	b.prefer()
}

// pageKeyboard: a user reaches everything by keyboard, and the focus is
// visible.
func pageKeyboard(t *testing.T, b *browser) {
	s := newPageServer(t)
	j := s.job("site", wire.InitializeData{})
	j.Warn("a", "careful")
	j.Warn("b", "careful")
	if err := j.Complete(); err != nil {
		t.Fatal(err)
	}
	b.open(s.monitor())
	b.reads("careful")
	tabTo := func(what, selector string) {
		t.Helper()
		for range 20 {
			b.press(keyTab)
			var there, seen bool
			if b.js(&there, "return document.activeElement.matches(arguments[0])", selector); !there {
				continue
			}
			b.js(&seen, "const e = document.activeElement, o = getComputedStyle(e.matches('.choices input') ? e.nextElementSibling : e); return o.outlineStyle !== 'none' && parseFloat(o.outlineWidth) > 0")
			if !seen {
				t.Errorf("%s: it is not seen that it has the focus", what)
			}
			return
		}
		t.Fatalf("%s is not reached by Tab", what)
	}
	tabTo("the way past the head", ".skip")
	b.press(keyEnter)
	b.until("the content", "document.activeElement.id === 'main'")
	tabTo("a filter", ".chip")
	b.press(keySpace)
	b.until("it filters", "document.querySelector('.chip[aria-pressed=true]')")
	b.press(keySpace)
	tabTo("the job", ".jobs .job a")
	b.press(keyEnter)
	b.until("its page, from its title on", "document.activeElement.tagName === 'H1' && document.activeElement.textContent === 'site'")
	tabTo("the run", ".runs a")
	tabTo("the packages", ".timeline .scroll")
	tabTo("the log's filter", ".choices input")
	b.until("two lines", "document.querySelectorAll('.log li:not([hidden])').length >= 2")
	b.press("\ue014", "\ue014") // to the right, to the errors
	b.until("none is an error", "[...document.querySelectorAll('.log li')].every(e => !e.offsetParent)")
	b.reads("No errors.")
	b.js(nil, "history.back()")
	b.until("the overview", "document.querySelector('.jobs')")
	b.until("landmarks", "document.querySelectorAll('header, main').length === 2 && document.querySelectorAll('main h1').length === 1 && document.documentElement.lang === 'en'")
}

// pageFlood: thousands of events do not slow the page. It is drawn a few times
// per second, and soon shows the last event.
func pageFlood(t *testing.T, b *browser) {
	s := newPageServer(t)
	b.open(s.monitor())
	b.reads("No job yet")
	b.js(nil, "window.drawn = 0; new MutationObserver(() => drawn++).observe(document.querySelector('main'), {subtree: true, childList: true, attributes: true})")
	j := s.job("flood", wire.InitializeData{})
	const packages = 6000
	for i := range packages {
		j.Warn(fmt.Sprint("item ", i+1), "one of many")
		p := started(t, j, wire.PackageHeader{}, wire.PackageBody{Files: 1})
		if err := errors.Join(p.Transferred(), p.Complete()); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Complete(); err != nil {
		t.Fatal(err)
	}
	b.reads("1 succeeded")
	b.reads(fmt.Sprint("item ", packages))
	var drawn, lines int
	b.js(&drawn, "return drawn")
	b.js(&lines, "return document.querySelectorAll('#problems li').length")
	if drawn > 500 || lines > 50 {
		t.Errorf("drawn %d times, %d lines", drawn, lines)
	}
}

// pageMissed: the page says how many events left the server's cache while the
// monitor was stopped.
func pageMissed(t *testing.T, b *browser) {
	src, dst := tree(t, 2)
	server, addr := serve(t, "", "-every", "20ms", "-report-idle", "0", "-cache-events", "300", "-call-timeout", "2s", src, dst)
	monitor := start(t, "momclient", "-addr", addr, "-o", "json", "-http", "127.0.0.1:0", "-period", "1s")
	b.open(pageOf(monitor))
	b.reads("0 events missed")
	monitor.signal(syscall.SIGSTOP)
	server.says("dropped")
	second := watch(t, addr)
	second.eventually("more than the cache holds", func() bool { return strings.Count(second.stdout.String(), "\n") > 400 })
	monitor.signal(syscall.SIGCONT)
	b.until("it says how many", "/[1-9]\\d* events missed/.test(document.getElementById('link').textContent)")
	b.until("the log has it", "/the stream\\s*missed [1-9]\\d* events/.test(document.getElementById('problems').innerText)")
	b.reads("resumed 1×")
}

// TestPageStop ends the monitor at once by a signal, although pages are open
// that do not read.
func TestPageStop(t *testing.T) {
	t.Parallel()
	s := newPageServer(t)
	monitor := start(t, "momclient", "-addr", s.addr, "-http", "127.0.0.1:0", "-o", "json")
	page := pageOf(monitor)
	for range 3 {
		lookAt(t, page)
	}
	monitor.signal(syscall.SIGINT)
	monitor.exits(0)
	if strings.Contains(monitor.stderr.String(), "ended because") {
		t.Errorf("it had to be ended: %s", &monitor.stderr)
	}
}

// pageServer is a server in this process, whose jobs a monitor shows on a page.
type pageServer struct {
	t    *testing.T
	srv  *momserver.Server
	addr string
}

func newPageServer(t *testing.T) *pageServer {
	t.Helper()
	srv, addr := serveHere(t, momserver.Config{})
	return &pageServer{t, srv, addr}
}

// monitor starts momclient with a page, and returns the URL of the page.
func (s *pageServer) monitor(args ...string) string {
	s.t.Helper()
	return pageOf(start(s.t, "momclient", append([]string{"-addr", s.addr, "-http", "127.0.0.1:0", "-o", "json", "-period", "1s"}, args...)...))
}

// pageOf returns the URL of a monitor's page.
func pageOf(p *process) string {
	p.t.Helper()
	return p.word("the page is at ")
}

func (s *pageServer) job(name string, init wire.InitializeData) *momserver.Job {
	s.t.Helper()
	init.Name = name
	j, err := s.srv.StartJob(jobID(name), init)
	if err != nil {
		s.t.Fatal(err)
	}
	return j
}

// lookAt opens the stream of the page, and does not read it.
func lookAt(t *testing.T, page string) {
	t.Helper()
	addr := strings.TrimSuffix(strings.TrimPrefix(page, "http://"), "/")
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if _, err := fmt.Fprintf(nc, "GET /api/live HTTP/1.1\r\nHost: %s\r\n\r\n", addr); err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}
