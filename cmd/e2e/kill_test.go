//go:build unix

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/wiretest/invariant"
)

// eachSecured runs a test without TLS and with certificate files.
func eachSecured(t *testing.T, test func(t *testing.T, p certFiles)) {
	t.Parallel()
	for _, secured := range secure() {
		t.Run(fmt.Sprintf("TLS %v", secured), func(t *testing.T) {
			t.Parallel()
			test(t, newCerts(t, secured, "127.0.0.1", "127.0.0.2"))
		})
	}
}

// TestMonitorKilled kills the monitor again and again, and starts it with its
// cursor file. Together its lives show each event, in order. At each kill at
// most one event is repeated, and none is lost.
func TestMonitorKilled(t *testing.T) { eachSecured(t, testMonitorKilled) }

func testMonitorKilled(t *testing.T, p certFiles) {
	// Jobs without work run again and again: thousands of events per second, so
	// that a kill comes in the middle of one.
	args := append([]string{"-every", "1ns", "-report-idle", "0", "-cache-events", "1000000"}, p.server...)
	for range 3 {
		src, dst := tree(t, 1)
		args = append(args, src, dst)
	}
	_, addr := serve(t, "", args...)
	cursor := filepath.Join(t.TempDir(), "cursor")
	lives := 40
	if testing.Short() || p.trust != nil && os.Getenv(envSlow) == "" {
		lives = 5
	}
	stream := invariant.NewStream(invariant.Unknown(), wire.Filter{}, invariant.Fails(t))
	repeats := 0
	for life := range lives {
		monitor := start(t, "momclient", append([]string{"-addr", addr, "-o", "json", "-from", "oldest", "-cursor", cursor}, p.client...)...)
		want := 1 + life*7%30 // lines before the kill
		if life%5 == 4 {
			want = 0 // kill it at once, whatever it does then
		}
		monitor.eventually("events", func() bool { return strings.Count(monitor.stdout.String(), "\n") >= want })
		monitor.kill()
		if text := monitor.stdout.String(); text != "" && !strings.HasSuffix(text, "\n") {
			t.Errorf("life %d ends in the middle of a line: %q", life, tail(text))
		}
		shown := events(t, monitor.stdout.String())
		for _, e := range shown {
			stream.Event(e)
		}
		if life == 0 && shown[0].Seq != 1 {
			t.Errorf("it begins with event %d", shown[0].Seq)
		}
		again := stream.Killed(kept(t, cursor))
		if again > 1 {
			t.Errorf("life %d: %d events are to be shown again", life, again)
		}
		repeats += again
	}
	sum := stream.Told()
	if sum.Missed > 0 || sum.Snapshots > 0 || uint64(sum.Fresh) > sum.Last+uint64(repeats) {
		t.Errorf("%+v, with %d to be repeated", sum, repeats)
	}
	t.Logf("%d events in %d lives, at most %d repeated", sum.Fresh, lives, repeats)
}

// kept returns the cursor in a file, or the zero cursor if there is no file.
func kept(t *testing.T, path string) (at wire.Cursor) {
	t.Helper()
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return wire.Cursor{}
	}
	if err == nil {
		at, err = wire.ParseCursor(strings.TrimSpace(string(text)))
	}
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// serveBusy starts a server that publishes some hundred events per second until
// the test ends, for the first seconds in one run.
func serveBusy(t *testing.T, flags ...string) (*process, string) {
	t.Helper()
	src, dst := tree(t, 10)
	if err := os.WriteFile(filepath.Join(src, "film"), make([]byte, 24<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(3 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
				os.WriteFile(filepath.Join(src, "news.html"), bytes.Repeat([]byte("news"), i), 0o644)
			case <-done:
				return
			}
		}
	}()
	t.Cleanup(func() { close(done); <-stopped })
	return serve(t, "", append(flags, "-every", "1ms", "-bandwidth", "8000000", "-progress-interval", "1ns", src, dst)...)
}

// TestServerKilled kills the server in the middle of a run and starts it again
// at its address. The monitor subscribes again, reports the new epoch, and
// shows it from its beginning.
func TestServerKilled(t *testing.T) { eachSecured(t, testServerKilled) }

func testServerKilled(t *testing.T, p certFiles) {
	src, dst := tree(t, 60)
	server, addr := serve(t, restartable(), append(p.server, "-once", "-wait", "1", "-bandwidth", "100000", "-progress-interval", "10ms", src, dst)...)
	monitor := watch(t, addr, append(p.client, "-cursor", filepath.Join(t.TempDir(), "cursor"))...)
	monitor.eventually("some events", func() bool { return strings.Count(monitor.stdout.String(), "\n") > 3 })
	server.kill()
	server, _ = serve(t, addr, append(p.server, "-once", "-wait", "1", src, dst)...)
	server.exits(0)
	monitor.eventually("end of the run", func() bool { return strings.Contains(monitor.stdout.String(), `"state":"MirroringJobCompleted"`) })
	monitor.signal(syscall.SIGINT)
	monitor.exits(0)
	same(t, src, dst)

	all := events(t, monitor.stdout.String())
	i := slices.IndexFunc(all, func(e wire.Event) bool { return e.Epoch != all[0].Epoch })
	if i < 0 {
		t.Fatal("no other epoch")
	}
	if got, want := told(t, all), (invariant.Told{Fresh: len(all), Last: uint64(len(all) - i)}); got != want || all[0].Seq != 1 {
		t.Errorf("told %+v from event %d on; want %+v", got, all[0].Seq, want)
	}
	if !strings.Contains(monitor.stderr.String(), "on a new epoch "+all[i].Epoch.String()+": the server was restarted") {
		t.Errorf("stderr %s", &monitor.stderr)
	}
}

// TestSubscriberStopped stops one of two monitors. The server drops it when its
// call times out, and the other monitor receives everything. Once continued,
// the stopped monitor comes back and reports exactly how many events it has
// missed.
func TestSubscriberStopped(t *testing.T) { eachSecured(t, testSubscriberStopped) }

func testSubscriberStopped(t *testing.T, p certFiles) {
	server, addr := serveBusy(t, append(p.server, "-call-timeout", "2s", "-cache-events", "1000")...)
	other := watch(t, addr, append(p.client, "-name", "other")...)
	frozen := watch(t, addr, append(p.client, "-name", "frozen")...)
	frozen.eventually("events", func() bool { return frozen.stdout.String() != "" })
	frozen.signal(syscall.SIGSTOP)
	server.eventually("dropped", func() bool { return dropped(server.stderr.String(), "frozen") != "" })
	if why := dropped(server.stderr.String(), "frozen"); !strings.Contains(why, `reason="call timeout"`) || !strings.Contains(why, "unanswered after 2s") {
		t.Errorf("dropped for %s", why)
	}
	lines := func(p *process) int { return strings.Count(p.stdout.String(), "\n") }
	at := lines(other)
	other.eventually("more events than are cached", func() bool { return lines(other) > at+1100 }) // so that the cache has moved on
	frozen.signal(syscall.SIGCONT)
	frozen.says("resumed")
	frozen.eventually("gap", func() bool { return strings.Contains(frozen.stdout.String(), `"missed":`) })
	at = lines(frozen)
	frozen.eventually("more events", func() bool { return lines(frozen) > at+10 })
	frozen.signal(syscall.SIGINT)
	frozen.exits(0)
	shown := events(t, frozen.stdout.String())
	last := fmt.Sprintf(`"seq":%d,`, shown[len(shown)-1].Seq)
	other.eventually("the same events", func() bool { return strings.Contains(other.stdout.String(), last) })
	other.signal(syscall.SIGINT)
	other.exits(0)
	if sum := told(t, shown); sum.Gaps == 0 {
		t.Error("the frozen one was told of no gap")
	}
	if sum := told(t, events(t, other.stdout.String())); sum.Gaps > 0 {
		t.Errorf("the other one was told of %d missed", sum.Missed)
	}
	w := &controlClient{t: t}
	for _, e := range events(t, other.stdout.String()) {
		w.event(e)
	}
	w.check("the frozen one", shown)
	server.eventually("unsubscribed", func() bool { return dropped(server.stderr.String(), "other") != "" })
	if why := dropped(server.stderr.String(), "other"); !strings.Contains(why, "reason=unsubscribed") {
		t.Errorf("the other one was dropped for %s", why)
	}
}

// TestServerStopped stops the server. Its kernel still acknowledges, but the
// monitor hears nothing and gives up the connection. Once the server is
// continued, the monitor goes on without a loss.
func TestServerStopped(t *testing.T) { eachSecured(t, testServerStopped) }

func testServerStopped(t *testing.T, p certFiles) {
	server, addr := serveBusy(t, append(p.server, "-heartbeat", "200ms", "-cache-events", "1000000")...)
	w := newControlClient(t, sameNamespace, addr, p)
	monitor := watch(t, addr, append(p.client, "-from", "oldest")...)
	lines := func() int { return strings.Count(monitor.stdout.String(), "\n") }
	monitor.eventually("events", func() bool { return lines() > 10 })
	server.signal(syscall.SIGSTOP)
	monitor.says("lost: ")
	if text := monitor.stderr.String(); !strings.Contains(text, "nothing heard from") && !strings.Contains(text, "has not answered for") {
		t.Errorf("stderr %s", text)
	}
	server.signal(syscall.SIGCONT)
	monitor.says("resumed")
	at := lines()
	monitor.eventually("more events", func() bool { return lines() > at+10 })
	monitor.signal(syscall.SIGINT)
	monitor.exits(0)
	all := events(t, monitor.stdout.String())
	if missed := told(t, all).Missed; missed > 0 || all[0].Seq != 1 || all[0].Epoch != all[len(all)-1].Epoch {
		t.Errorf("from event %d, %d missed", all[0].Seq, missed)
	}
	w.check("the monitor", all)
}

// dropped returns the line of a server's log that reports the end of a
// subscriber.
func dropped(log, name string) string {
	for line := range strings.Lines(log) {
		if strings.Contains(line, "dropped") && strings.Contains(line, name) {
			return line
		}
	}
	return ""
}

// TestMonitorOfServersKilled kills a monitor of two servers again and again. Its
// processes together show each event of each server, in order, and at each kill at most
// one event is repeated.
func TestMonitorOfServersKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cursor := filepath.Join(dir, "cursor")
	streams := make(map[string]*invariant.Stream)
	var list []byte
	for _, name := range []string{"alpha", "beta"} {
		src, dst := tree(t, 1)
		_, addr := serve(t, "", "-every", "1ms", "-report-idle", "0", "-cache-events", "1000000", src, dst)
		list = fmt.Appendf(list, "%s %s\n", name, addr)
		streams[name] = invariant.NewStream(invariant.Unknown(), wire.Filter{}, invariant.Fails(t))
	}
	if err := os.WriteFile(filepath.Join(dir, "servers"), list, 0o600); err != nil {
		t.Fatal(err)
	}
	lives, repeats := 12, 0
	for life := range lives {
		monitor := start(t, "momclient", "-servers", filepath.Join(dir, "servers"), "-o", "json", "-from", "oldest", "-cursor", cursor)
		want := 2 + life*7%30 // lines before the kill
		monitor.eventually("events", func() bool { return strings.Count(monitor.stdout.String(), "\n") >= want })
		monitor.kill()
		for line := range strings.Lines(monitor.stdout.String()) {
			var e struct {
				Server string
				wire.Event
			}
			if err := json.Unmarshal([]byte(line), &e); err != nil || streams[e.Server] == nil {
				t.Fatalf("life %d: %v in %q", life, err, line)
			}
			streams[e.Server].Event(e.Event)
		}
		text, err := os.ReadFile(cursor)
		if err != nil {
			t.Fatal(err)
		}
		again := 0
		for line := range strings.Lines(string(text)) {
			place, name, _ := strings.Cut(strings.TrimSpace(line), " ")
			at, err := wire.ParseCursor(place)
			if err != nil && !strings.HasPrefix(place, "---") {
				t.Fatal(err)
			}
			again += streams[name].Killed(at)
		}
		if again > 1 {
			t.Errorf("life %d: %d events are to be shown again", life, again)
		}
		repeats += again
	}
	for name, s := range streams {
		if sum := s.Told(); sum.Missed > 0 || sum.Snapshots > 0 || sum.Fresh == 0 {
			t.Errorf("%s: %+v", name, sum)
		}
	}
	t.Logf("%d lives, %d events repeated", lives, repeats)
}
