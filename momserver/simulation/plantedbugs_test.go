package simulation_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mom.internal/wire/wiretest/invariant"
)

var bugsFlag = flag.Bool("sim.bugs", false, "plant a bug at a time, and see that it is found")

// plantedBug is a bug to plant: new replaces old, which stands once in a file. The
// simulation then reports one of the invariants or, if it cannot see the bug,
// the tests of a package fail.
type plantedBug struct {
	name  string
	edits []edit
	finds []string // invariants
	tests tests    // instead of the simulation's seeds
}

// tests are those tests of a package, by its directory, whose names match run;
// "" for all.
type tests struct{ dir, run string }

type edit struct{ file, old, new string }

var plantedBugs = []plantedBug{
	{"gap off by one", []edit{
		{"momserver/internal/history/position.go", "p := h.at(h.cache.oldest)\n\tp.Missed = p.Next - next", "p := h.at(h.cache.oldest)\n\tp.Missed = p.Next - next - min(1, p.Next-next)"},
	}, []string{invariant.Sum, invariant.Gaps}, tests{}},
	{"gap counted twice", []edit{
		{"momserver/internal/history/position.go", "p.Missed += missed\n", "p.Missed += missed + 1\n"},
	}, []string{invariant.Gaps}, tests{}},
	{"skip at the cache's wrap", []edit{
		{"momserver/internal/history/read.go", "seg, i := h.cache.find(p.Next)", "if p.Next%segmentEvents == 1 && p.Next > 1 && p.Next < p.Head {\n\t\tp.Next++\n\t}\n\tseg, i := h.cache.find(p.Next)"},
	}, []string{invariant.Sum}, tests{}},
	{"no deduplication of what waits in the queue", []edit{
		{"momclient/inbox.go", "return in.queued, in.advertise()", "return in.handled, in.advertise()"},
	}, []string{invariant.NoRepeats, invariant.Ended}, tests{}},
	{"cursor moved for an ended session", []edit{
		{"momclient/inbox.go", "if d.n > in.latestDone {", "if true {"},
	}, []string{invariant.Ended, invariant.NoRepeats, invariant.Gaps}, tests{}},
	{"stale epoch accepted", []edit{
		{"momserver/internal/history/position.go", "if cursor.Epoch != h.epoch {", "if cursor.Epoch != h.epoch && cursor.Seq > h.cache.head {"},
	}, []string{invariant.Sum}, tests{}},
	{"wake-up lost", []edit{
		{"momserver/server.go", "\ts.sender.wake()\n", "\tif ev.Seq%32 != 0 {\n\t\ts.sender.wake()\n\t}\n"},
	}, []string{invariant.Healthy}, tests{}},
	{"wake-up of the handler lost", []edit{
		{"momclient/inbox.go", "\tin.receivedBytes += uint64(len(ch.data))\n\tin.ring()\n", "\tin.receivedBytes += uint64(len(ch.data))\n\tif len(in.chunks) > 1 {\n\t\tin.ring()\n\t}\n"},
	}, []string{invariant.Healthy, invariant.Liveness}, tests{}},
	{"deadline not reset", []edit{
		{"momserver/accept.go", "\tnc.SetDeadline(time.Time{})\n\treturn nc, id, nil\n", "\treturn nc, id, nil\n"},
	}, []string{invariant.Healthy, invariant.Reasons}, tests{}},
	{"message deadline not reset", []edit{
		{"wire/duplex/frame.go", "defer r.nc.SetReadDeadline(time.Time{})", ""},
	}, []string{invariant.Healthy, invariant.Reasons}, tests{}},
	{"window leak", []edit{
		{"momserver/call.go", "\ts.timeouts.Remove(c.timeoutEntry)\n\tc.timeoutEntry = nil\n", "\tif c.timeoutEntry != nil {\n\t\ts.timeouts.Remove(c.timeoutEntry)\n\t\tc.timeoutEntry = nil\n\t\tif c.sentThrough%16 == 15 {\n\t\t\treturn\n\t\t}\n\t}\n"},
	}, []string{invariant.Healthy, invariant.Bounded, invariant.Liveness}, tests{}},
	{"Close leak", []edit{
		{"momserver/server.go", "\t\tc.close(wire.Errorf(wire.Closed, \"the server closed\"))\n\t}\n\ts.running.Wait()\n", "\t\t_ = c\n\t}\n"},
	}, []string{invariant.Bounded}, tests{}},
	{"client's Close leak", []edit{
		{"momclient/session.go", "\ts.conn.Close(why)\n\ts.callbackConn.Close(why)\n\ts.running.Wait()\n", ""},
	}, []string{invariant.Bounded, invariant.Healthy, invariant.Liveness, invariant.Reasons}, tests{}},
	{"snapshot outside the lock", []edit{
		{"momserver/internal/history/position.go", "\t\"slices\"\n", "\t\"slices\"\n\t\"time\"\n"},
		{"momserver/internal/history/position.go", "\tif edge != nil {\n\t\tp.snapshot = edge.snapshot()\n\t}\n\th.mu.Unlock()\n", "\th.mu.Unlock()\n\tif from == wire.FromNow {\n\t\ttime.Sleep(200 * time.Millisecond)\n\t}\n\th.mu.Lock()\n\tif edge != nil {\n\t\tp.snapshot = edge.snapshot()\n\t}\n\th.mu.Unlock()\n"},
	}, []string{invariant.Gaps, invariant.Sum, invariant.Published, invariant.Bounded}, tests{}},
	{"wrong reason", []edit{
		{"momserver/call.go", "s.drop(c.sub, ReasonCallTimeout,", "s.drop(c.sub, ReasonConnectionLost,"},
	}, []string{invariant.Reasons}, tests{}},
	{"publish waits", []edit{
		{"momserver/server.go", "\ts.sender.wake()\n", "\ts.sender.wake()\n\tfor _, sub := range s.Subscribers() {\n\t\tif sub.InFlight >= 4 {\n\t\t\ttime.Sleep(time.Millisecond)\n\t\t}\n\t}\n"},
	}, []string{invariant.NoWait, invariant.Published}, tests{}},
	{"sender waits for a stuck subscriber", []edit{
		{"momserver/sender.go", "return len(sub.unanswered) < s.cfg.Window &&", "if len(sub.unanswered) >= 4 {\n\t\ttime.Sleep(time.Second)\n\t}\n\treturn len(sub.unanswered) < s.cfg.Window &&"},
	}, []string{invariant.Healthy, invariant.NoWait}, tests{}},
	{"others wait for a long filter", []edit{
		{"momserver/sender.go", "\tsub.queued = false\n\tif sub.dropped {", "\tsub.queued = false\n\tif len(sub.membership.entries) > 50 {\n\t\ttime.Sleep(40 * time.Millisecond)\n\t}\n\tif sub.dropped {"},
	}, []string{invariant.Healthy}, tests{}},
	{"right token kept out", []edit{
		{"momserver/refuse.go", "maxFailWait  = 500 * time.Millisecond", "maxFailWait  = 700 * time.Millisecond"},
	}, []string{invariant.Healthy}, tests{}},
	{"room leak", []edit{
		{"momclient/inbox.go", "\tin.events--\n", "\tif seq%64 != 0 {\n\t\tin.events--\n\t}\n"},
	}, []string{invariant.Liveness, invariant.Healthy, invariant.Sum}, tests{}},
	{"cursor over a gap that was not told", []edit{
		{"momclient/inbox.go", "\tcase missed > 0:\n", ""},
	}, []string{invariant.Sum}, tests{}},
	{"place in another epoch", []edit{
		{"momclient/inbox.go", "after = position{cursor: wire.Cursor{Epoch: ch.epoch, Seq: seq}}", "after.cursor.Seq = seq"},
	}, []string{invariant.Ended, invariant.Sum}, tests{}},
	{"half a message taken for a write", []edit{
		{"momserver/drop.go", "case wire.Stalled:\n\t\treturn ReasonStalled", "case wire.Stalled:\n\t\treturn ReasonWriteTimeout"},
	}, []string{invariant.Reasons}, tests{}},
	{"loop that overtakes a handler", []edit{
		{"momclient/inbox.go", "if d.n > in.latestDone {", "if d.n == in.latestDone+1 {"},
	}, []string{invariant.Ended, invariant.Order, invariant.NoRepeats, invariant.Gaps, invariant.Sum, invariant.Liveness}, tests{}},
	{"callback connection left open", []edit{
		{"momserver/subscribers.go", "\tif sub.callbackConn != sub.conn {\n\t\tsub.callbackConn.Close(end)\n\t}\n", ""},
		{"momserver/service.go", "\t\tsub.callbackConn.Close(e)", "\t\t"},
	}, []string{invariant.Bounded}, tests{}},
	{"callback endpoint left open", []edit{
		{"momclient/session.go", "\tdefer ep.close()\n", ""},
	}, []string{invariant.Bounded}, tests{}},
	{"dial-back that outlives the server", []edit{
		{"momserver/dialback.go", "context.WithTimeout(s.life, s.cfg.DialTimeout)", "context.WithTimeout(context.Background(), s.cfg.DialTimeout)"},
	}, []string{invariant.Bounded}, tests{}},
	{"TLS closed with an alert", []edit{
		{"wire/protocol/tls.go", "{ return c.NetConn().Close() }", "{ return c.Conn.Close() }"},
	}, []string{invariant.Reasons, invariant.Bounded, invariant.Healthy, invariant.NoWait}, tests{}},
	{"a Shutdown that ends what is mirrored", []edit{
		{"momserver/jobend.go", "	if j.srv.cfg.Strict {\n", "	if true {\n"},
	}, nil, tests{"momserver", "TestShutdownIsNotNoticed"}},
	{"a run that is refused does not run", []edit{
		{"momserver/run.go", "if err != nil && s.cfg.Strict {", "if err != nil {"},
	}, []string{invariant.NoStop}, tests{}},
	{"cancelled taken for failed", []edit{
		{"momserver/jobend.go", "\t\tr.outcome = wire.Cancelled\n", "\t\tr.outcome = wire.Failed\n"},
	}, []string{invariant.Published}, tests{}},
	{"outcome lost in the cache", []edit{
		{"momserver/internal/history/cache.go", "uint16(c.Outcome)&7<<outcomeAt", "uint16(min(c.Outcome, 1))<<outcomeAt"},
	}, []string{invariant.Sum, invariant.Published, invariant.Liveness}, tests{}},
	{"every package failed, and the run succeeded", []edit{
		{"wire/event.go", "p.PackagesDone > 0 ||", "true ||"},
	}, []string{invariant.Published}, tests{}},
	{"bytes that were taken back still count", []edit{
		{"momserver/package.go", "\th.SizeOfReceivedData -= back\n", ""},
	}, []string{invariant.Published}, tests{}},
	{"filtered events counted as missed", []edit{
		{"momserver/internal/history/read.go", "\t\t\tbegin = end\n\t\t\tp.Next++\n", "\t\t\tif n == 0 {\n\t\t\t\tp.Missed++\n\t\t\t}\n\t\t\tbegin = end\n\t\t\tp.Next++\n"},
	}, []string{invariant.Gaps, invariant.Liveness, invariant.Healthy}, tests{}},
	{"gap forgotten over the next one", []edit{
		{"momserver/internal/history/position.go", "p.Missed += missed\n", "_ = missed\n"},
	}, []string{invariant.Sum}, tests{}},
	{"idle subscriber woken too late", []edit{
		{"momserver/scan.go", "if sub.at.Next <= s.scanned.Next {", "if sub.at.Next < s.scanned.Next {"},
	}, []string{invariant.Published, invariant.Sum, invariant.Gaps, invariant.Healthy, invariant.Liveness}, tests{}},
	{"idle subscribers not told of what left the cache", []edit{
		{"momserver/scan.go", "range s.subs {\n\t\t\ts.activate(sub)\n", "range s.subs {\n\t\t\tsub.at.Next = max(sub.at.Next, s.scanned.Next)\n"},
	}, nil, tests{"momserver", "^TestIdleBehindTheCache$"}},
	{"rest of a snapshot forgotten", []edit{
		{"momserver/internal/history/position.go", "{ p.snapshot, p.givenUp = nil, true }", "{ p.snapshot = nil }"},
	}, nil, tests{"momserver", "^TestGiveUpSnapshots$"}},
	{"no idleness after a refused subscription", []edit{
		{"momserver/service.go", "\tsv.sub = nil\n\tsv.startIdleTimer()\n", "\tsv.sub = nil\n"},
	}, []string{invariant.Bounded}, tests{}},
	{"no idleness after unsubscribing", []edit{
		{"momserver/service.go", "\t\tdefer sv.mu.Unlock()\n\t\tsv.startIdleTimer()\n", "\t\tdefer sv.mu.Unlock()\n"},
	}, []string{invariant.Bounded}, tests{}},
	{"silence of the wrong connection", []edit{
		{"momclient/session.go", "time.Since(s.callbackConn.LastReceived())", "time.Since(s.conn.LastReceived())"},
	}, []string{invariant.Healthy}, tests{}},
	{"attempts counted for ever", []edit{
		{"momclient/subscription.go", "\t\t\t\tsub.attempt = 0 // it held\n", ""},
	}, []string{invariant.Liveness}, tests{}},
	{"proof that keeps its place", []edit{
		{"momclient/endpoint.go", "\t\t\tdefer func() { <-places }()\n", ""},
	}, []string{invariant.Healthy, invariant.Liveness}, tests{}},
	{"no word of room after a write", []edit{
		{"wire/duplex/outbox.go", "\to.writing = buf != nil\n\to.notifyRoom()\n", "\to.writing = buf != nil\n"},
	}, []string{invariant.Liveness}, tests{}},
	{"no word of room after a direct write", []edit{ // the simulation has no sockets to write to
		{"wire/duplex/outbox.go", "\t\t\to.buf, o.replies = nil, 0\n\t\t\to.notifyRoom()\n", "\t\t\to.buf, o.replies = nil, 0\n"},
	}, nil, tests{"wire/duplex", ""}},
	{"heartbeats wait for a stuck subscriber", []edit{
		{"momserver/call.go", "\t\t\ts.heartbeats.MoveToBack(el)\n", ""},
	}, []string{invariant.Healthy}, tests{}},
	{"refused run kept in the history", []edit{
		{"momserver/internal/history/history.go", "\th.runs.forget(ev.RunID, run)\n", "\tif err == nil {\n\t\th.runs.forget(ev.RunID, run)\n\t}\n"},
	}, []string{invariant.Bounded}, tests{}},
	{"refused run kept among the open ones", []edit{
		{"momserver/job.go", "\t\tj.end()\n\t\treturn nil, err\n", "\t\treturn nil, err\n"},
	}, []string{invariant.Bounded}, tests{}},
	{"History that asks for all on each page", []edit{
		{"momclient/history.go", "min(n-got, 1<<20)", "min(n, 1<<20)"},
	}, []string{invariant.Bounded}, tests{}},
	{"refused package kept open", []edit{
		{"momserver/package.go", "state: wire.PackageInitialized, since: now}\n", "state: wire.PackageInitialized, since: now}\n\tj.open[p] = struct{}{}\n"},
	}, []string{invariant.Published}, tests{}},
	{"address kept after its last connection", []edit{
		{"momserver/places.go", "\t\tdelete(s.perAddr, c.addr)\n\t\theap.Remove(&s.byUnproven, from.index)\n", ""},
	}, []string{invariant.Bounded}, tests{}},
	{"what waits is thrown away", []edit{
		{"momclient/subscription.go", "\t<-sub.done\n\tif !sub.consumer.gathers {\n", "\t<-sub.done\n\tsub.c.inbox.mu.Lock()\n\tsub.c.inbox.rewind()\n\tsub.c.inbox.mu.Unlock()\n\tif !sub.consumer.gathers {\n"},
	}, nil, tests{"momclient", "^TestBacklog$"}},
	{"event decoded before it is claimed", []edit{
		{"momclient/inbox.go", "\t\"sync\"\n", "\t\"sync\"\n\t\"time\"\n"},
		{"momclient/inbox.go", "\t\tcase in.decoding != nil:\n\t\t\tin.decoded.Wait()\n", ""},
		{"momclient/inbox.go", "{ err = ch.decode(left, ev) }", "{\n\t\tif err = ch.decode(left, ev); in.session == nil {\n\t\t\ttime.Sleep(100 * time.Millisecond)\n\t\t}\n\t}"},
	}, []string{invariant.Sum, invariant.Gaps, invariant.Published, invariant.Liveness}, tests{}},
	{"attempt that is kept", []edit{
		{"momclient/connect.go", "\tdefer abort() ", "\t_ = abort "},
	}, nil, tests{"momclient", "TestRefusedAttempts"}},
	{"verdict that is made again", []edit{
		{"cmd/momclient/internal/completion/completion.go", "\tif c.verdict != nil {\n\t\treturn\n\t}\n", ""},
	}, nil, tests{"cmd/momclient/internal/completion", "^TestVerdictStands$"}},
	{"failed run taken for a completed one", []edit{
		{"cmd/momclient/internal/completion/completion.go", "c.verdict.Failed = c.verdict.Failed || !s.watch.Succeeded()", "_ = s"},
	}, nil, tests{"cmd/momclient", "TestDone"}},
}

// TestPlantedBugsFit looks for the place of each bug, so that an engineer who
// changes the code there notices at once.
func TestPlantedBugsFit(t *testing.T) {
	for _, m := range plantedBugs {
		if _, err := m.plant(repository(t), t.TempDir()); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
}

// repository returns the directory of the module.
func repository(t *testing.T) string {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// TestPlantedBugs plants the bugs, one at a time, and runs the simulation or the
// tests that find each.
func TestPlantedBugs(t *testing.T) {
	if !*bugsFlag {
		t.Skip("not asked for: -sim.bugs")
	}
	root := repository(t)
	for _, m := range plantedBugs {
		t.Run(strings.ReplaceAll(m.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			overlay, err := m.plant(root, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if m.tests == (tests{}) {
				m.simulate(t, overlay)
			} else {
				m.test(t, root, overlay)
			}
			t.Logf("found after %v", time.Since(start).Round(time.Second))
		})
	}
}

// simulate runs the simulation, which must find the bug.
func (m *plantedBug) simulate(t *testing.T, overlay string) {
	cmd := exec.Command("go", "test", "-overlay", overlay, "-run", "TestSimulation", "-timeout", "5m", ".",
		"-sim.fast", fmt.Sprint("-sim.seeds=", *seeds))
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("nothing was found in %d seeds", *seeds)
	}
	found := violation.FindStringSubmatch(string(out))
	if found == nil {
		t.Fatalf("it ended without a violation: %v\n%s", err, out)
	}
	t.Log(found[0])
	if !slices.Contains(m.finds, found[2]) {
		t.Errorf("%q was found, and should be one of %q", found[2], m.finds)
	}
}

// test runs the tests of a package, of which at least one must fail.
func (m *plantedBug) test(t *testing.T, root, overlay string) {
	cmd := exec.Command("go", "test", "-overlay", overlay, "-failfast", "-run", m.tests.run, "-timeout", "5m", "./"+m.tests.dir)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("the tests of %s found nothing", m.tests.dir)
	}
	failed := failure.Find(out)
	if failed == nil {
		t.Fatalf("it ended without a failing test: %v\n%s", err, out)
	}
	t.Logf("%s", failed)
}

var failure = regexp.MustCompile(`(?m)^\s*--- FAIL: .*|^panic: .*`)

var violation = regexp.MustCompile(`seed (\d+): invariant "([^"]+)": .*`)

// plant writes the changed files to dir, and an overlay that has them take the
// originals' places.
func (m *plantedBug) plant(root, dir string) (overlay string, err error) {
	changed := make(map[string]string) // contents
	for _, e := range m.edits {
		name := filepath.Join(root, e.file)
		if changed[name] == "" {
			text, err := os.ReadFile(name)
			if err != nil {
				return "", err
			}
			changed[name] = string(text)
		}
		if n := strings.Count(changed[name], e.old); n != 1 {
			return "", fmt.Errorf("%s holds %q %d times, and should once: fit the planted bug to the code", e.file, e.old, n)
		}
		changed[name] = strings.Replace(changed[name], e.old, e.new, 1)
	}
	replace := make(map[string]string)
	for name, text := range changed {
		replace[name] = filepath.Join(dir, strings.ReplaceAll(filepath.Base(filepath.Dir(name))+"_"+filepath.Base(name), " ", "_"))
		if err := os.WriteFile(replace[name], []byte(text), 0o666); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o666)
}
