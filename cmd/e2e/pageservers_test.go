//go:build unix

package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"mom.internal/wire"
)

// pageServers: one page shows the jobs of two servers, which have a job of the same ID.
// Each server has its own chip and its own state, and one that is lost neither hides
// the other one nor keeps its jobs back.
func pageServers(t *testing.T, b *browser) {
	one, two := newPageServer(t), newPageServer(t)
	running := one.job("site", wire.InitializeData{})
	oneRun(t, two.srv, "site", errors.New("the disk is full"))
	for i := range 5 {
		oneRun(t, two.srv, fmt.Sprint("job ", i), nil)
	}
	b.open(one.monitor("-addr", two.addr))
	b.reads("All 2 servers are connected")
	b.until("seven jobs", "document.querySelectorAll('.jobs tbody').length === 7")
	const of = "[...document.querySelectorAll('.jobs tbody')].find(e => e.textContent.includes('site') && e.textContent.includes(arguments[0]))"
	b.until("the job of one", of+".dataset.standing === 'running'", one.addr)
	b.until("the job of the other", of+".dataset.standing === 'failed'", two.addr)
	_, port, _ := strings.Cut(two.addr, ":")
	b.until("what tells its server from the other", of+".querySelector('.at').textContent === ':' + arguments[1]", two.addr, port)
	b.js(nil, "[...document.querySelectorAll('.chip.server')].find(e => e.textContent.includes(arguments[0])).click()", one.addr)
	b.inOrder("site")
	b.until("the address has it", "new URLSearchParams(location.hash.slice(3)).get('server') === arguments[0]", one.addr)
	b.js(nil, "location.reload()")
	b.inOrder("site")
	b.js(nil, "location.hash = '#/?sort=server'")
	b.until("sorted by server", "document.querySelectorAll('.jobs tbody').length === 7 && document.querySelector('th.server').getAttribute('aria-sort') === 'ascending'")
	b.js(nil, of+".querySelector('a').click()", two.addr)
	b.reads("Server " + two.addr)
	b.reads("First error: the disk is full")
	b.js(nil, "location.reload()")
	b.reads("First error: the disk is full")
	b.js(nil, "document.querySelector('.runs a').click()")
	b.until("the run", "location.hash.includes('/run/')")
	b.reads("First error: the disk is full")
	b.click(".home")
	b.until("all jobs", "document.querySelectorAll('.jobs tbody').length === 7")

	two.srv.Close()
	b.reads("1 of 2 servers are connected")
	b.until("the title says it", "document.title.startsWith('Lost "+two.addr+"')")
	b.until("the notice names it", "document.getElementById('notice').innerText.startsWith(arguments[0])", two.addr)
	b.until("its jobs are out of date", of+".innerText.includes('out of date')", two.addr)
	b.until("the others are not", "!"+of+".innerText.includes('out of date')", one.addr)
	if err := running.Complete(); err != nil {
		t.Fatal(err)
	}
	b.until("the others go on", of+".dataset.standing === 'succeeded'", one.addr)
	for _, width := range widths {
		b.size(width, 800, 1)
		var found []string
		if b.js(&found, overflowing); len(found) > 0 {
			t.Errorf("in %d pixels: %q", width, found)
		}
	}
}

// pageMany: of more jobs than a browser can draw well, the page lists those that come
// first, and says how many are left out.
func pageMany(t *testing.T, b *browser) {
	var args []string
	var s *pageServer
	for n := range 3 {
		s = newPageServer(t)
		for i := range 700 {
			oneRun(t, s.srv, fmt.Sprint("job ", n, " ", i), nil)
		}
		args = append(args, "-addr", s.addr)
	}
	oneRun(t, s.srv, "the last one", errors.New("no space left on device"))
	b.open(s.monitor(args[:4]...))
	b.reads("101 more jobs not listed")
	b.until("the list", "document.querySelectorAll('.jobs tbody').length === 2000 && document.querySelector('.jobs tbody').textContent.includes('no space left on device')")
	b.js(nil, "location.hash = '#/?find=job+2+69'")
	b.until("eleven", "document.querySelectorAll('.jobs tbody').length === 11")
	b.quiet()
}
