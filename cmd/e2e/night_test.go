//go:build unix

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/wire"
)

// witness has the runs that a server publishes, before and after each restart.
type witness struct {
	mu     sync.Mutex // guards the fields below
	epochs map[uuid.UUID]bool
	began  map[uuid.UUID]uuid.UUID // the epoch of each run
	ended  map[uuid.UUID]historyLine
	last   map[string]string // the outcome of the last run of each job
	missed uint64
}

func newWitness(t *testing.T, server, addr string) *witness {
	t.Helper()
	w := &witness{epochs: make(map[uuid.UUID]bool), began: make(map[uuid.UUID]uuid.UUID), ended: make(map[uuid.UUID]historyLine), last: make(map[string]string)}
	client := momclient.New(addr, momclient.Options{AutoReconnect: true, Period: time.Second, From: wire.FromOldest, Queue: 1 << 16})
	t.Cleanup(func() { client.Close() })
	client.OnEvent(func(e wire.Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.missed += e.Missed
		w.epochs[e.Epoch], w.began[e.RunID] = true, e.Epoch
		if e.EndsRun() {
			w.ended[e.RunID] = historyLine{Job: e.Name(), RunID: e.RunID.String(), Outcome: e.Outcome().String(), Server: server}
			w.last[e.Name()] = e.Outcome().String()
		}
	})
	if err := client.Subscribe(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// lastIs reports whether the last run of the job ended with the outcome.
func (w *witness) lastIs(job string, outcome wire.Outcome) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last[job] == outcome.String()
}

// runs returns the lines that the history has to have: those of the runs that ended, and
// of those that a restart of the server cut off.
func (w *witness) runs(server string) (lines []historyLine) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.began {
		line, has := w.ended[id]
		if !has {
			line = historyLine{Job: "slow to copy", RunID: id.String(), Server: server}
		}
		lines = append(lines, line)
	}
	return lines
}

// TestNight watches two servers for a night. A job fails for a while. One of the servers
// is killed in the middle of a run, and started again. The receiver of the messages is
// down, and the monitor is killed and started again, several times. In the morning the
// receiver has each message, under one ID, the history has every run once, the page
// shows both servers, and the metrics agree with the history.
func TestNight(t *testing.T) {
	if os.Getenv(envStepped) != "" {
		t.Skip("a job that fails for days is told of again, and the wall clock steps by days")
	}
	t.Parallel()
	top := t.TempDir()
	at := func(name string) string { return filepath.Join(top, name) }
	for _, dir := range []string{"site", "docs", "slow"} {
		src, _ := tree(t, 30)
		if err := os.Rename(src, at(dir)); err != nil {
			t.Fatal(err)
		}
	}
	often := []string{"-every", "150ms", "-report-idle", "0"}
	alpha, alphaAddr := serve(t, "", append(often, at("site"), at("staging"), at("docs"), at("archive"))...)
	beta, betaAddr := serve(t, restartable(), append(often, "-bandwidth", "10000", at("slow"), at("copy"))...)
	truth := map[string]*witness{"alpha": newWitness(t, "alpha", alphaAddr), "beta": newWitness(t, "beta", betaAddr)}
	if err := os.WriteFile(at("servers"), fmt.Appendf(nil, "alpha %s\nbeta  %s\n", alphaAddr, betaAddr), 0o600); err != nil {
		t.Fatal(err)
	}
	sink := newReceiver(t)
	var down atomic.Bool
	sink.answer = func(_ int, w http.ResponseWriter) bool {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return !down.Load()
	}
	tries := func() int { sink.mu.Lock(); defer sink.mu.Unlock(); return sink.tries }
	history := at("history")
	args := []string{
		"-servers", at("servers"), "-o", "json", "-from", "oldest", "-period", "1s", "-http", "127.0.0.1:0",
		"-cursor", at("cursor"), "-history", history, "-notify", sink.URL,
	}
	monitor := start(t, "momclient", args...)
	monitor.says("alpha: connected")
	monitor.says("beta: connected")
	monitor.eventually("runs in the history", func() bool { return len(linesOf(history)) > 3 })

	// The receiver goes down, and then a job fails. The monitor is killed.
	down.Store(true)
	if err := os.Rename(at("docs"), at("elsewhere")); err != nil {
		t.Fatal(err)
	}
	monitor.eventually("an attempt to notify", func() bool { return tries() > 0 })
	monitor.kill()

	// Meanwhile one server is killed, and starts again without its limit.
	beta.kill()
	beta, _ = serve(t, betaAddr, append(often, at("slow"), at("copy"))...)
	beta.eventually("a run after the restart", func() bool { return truth["beta"].lastIs("slow to copy", wire.Succeeded) })

	// The monitor is killed again while messages wait. Then the job recovers.
	before := tries()
	monitor = start(t, "momclient", args...)
	monitor.eventually("another attempt", func() bool { return tries() > before })
	monitor.kill()
	if err := os.Rename(at("elsewhere"), at("docs")); err != nil {
		t.Fatal(err)
	}
	alpha.eventually("the recovery", func() bool { return truth["alpha"].lastIs("docs to archive", wire.Succeeded) })
	monitor = start(t, "momclient", args...)
	monitor.eventually("what waits", func() bool { return waitingOn(t, monitor) >= 4 })
	down.Store(false)

	// The morning.
	want := []string{"alpha failed docs to archive", "alpha recovered docs to archive", "beta lost slow to copy", "beta recovered slow to copy"}
	got := func() (all []string) {
		ids := make(map[string]string)
		for _, m := range sink.messages() {
			key := m.Server + " " + m.kind() + " " + m.Data.Job
			if id, has := ids[m.ID]; has && id != key {
				t.Errorf("%s has the ID of %s", key, id)
			}
			ids[m.ID] = key
		}
		for _, key := range ids {
			all = append(all, key)
		}
		slices.Sort(all)
		return all
	}
	monitor.eventually("all messages", func() bool { return len(got()) >= len(want) })
	page := pageOf(monitor)
	checkPage(t, page)
	for _, server := range []*process{alpha, beta} { // so that no run begins any more
		server.signal(syscall.SIGTERM)
		server.exits(0)
	}
	var runs []historyLine
	monitor.eventually("all runs", func() bool {
		runs = append(truth["alpha"].runs("alpha"), truth["beta"].runs("beta")...)
		return len(historyOf(t, history)) == len(runs)
	})
	metrics := metricsOf(t, strings.TrimSuffix(page, "/"))
	monitor.signal(syscall.SIGTERM)
	monitor.exits(0)

	if messages := got(); !slices.Equal(messages, want) {
		t.Errorf("the receiver has %q, want %q", messages, want)
	}
	byRun := func(a, b historyLine) int { return strings.Compare(a.RunID, b.RunID) }
	lines := historyOf(t, history)
	slices.SortFunc(lines, byRun)
	slices.SortFunc(runs, byRun)
	if !slices.Equal(lines, runs) {
		t.Errorf("the history has %d lines, %d runs took place\n%v\n%v", len(lines), len(runs), lines, runs)
	}
	counts := make(map[string]float64)
	for _, l := range lines {
		if l.Outcome == "" {
			l.Outcome = "Lost"
		}
		counts[fmt.Sprint(l.Server, " ", l.Job, " ", l.Outcome)]++
	}
	for key, value := range metrics {
		rest, is := strings.CutPrefix(key, "momclient_job_runs_ended_total{job_id=\"")
		if !is || value == 0 {
			continue
		}
		_, rest, _ = strings.Cut(rest, `",`)
		var job, outcome, server string
		if _, err := fmt.Sscanf(strings.NewReplacer(" ", "_", ",", " ").Replace(rest), "job_name=%q outcome=%q server=%q}", &job, &outcome, &server); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		name := server + " " + strings.ReplaceAll(job, "_", " ") + " " + outcome
		if counts[name] != value {
			t.Errorf("%s: %v in the metrics, %v in the history", name, value, counts[name])
		}
		delete(counts, name)
	}
	if len(counts) > 0 {
		t.Errorf("not in the metrics: %v", counts)
	}
	if truth["alpha"].missed+truth["beta"].missed > 0 || len(truth["beta"].epochs) != 2 {
		t.Errorf("the test shows nothing: the server of %d epochs", len(truth["beta"].epochs))
	}
	t.Logf("%d runs, %d messages delivered, %d attempts", len(runs), len(sink.messages()), tries())
}

// waitingOn returns the number of messages that wait for the only receiver.
func waitingOn(t *testing.T, monitor *process) int {
	t.Helper()
	var status struct{ Receivers []struct{ Waiting int } }
	code, body := get(t, pageOf(monitor)+"api/notify")
	if err := json.Unmarshal([]byte(body), &status); err != nil || code != http.StatusOK || len(status.Receivers) != 1 {
		t.Fatalf("%d %v %s", code, err, body)
	}
	return status.Receivers[0].Waiting
}

// checkPage checks that the page has the jobs of both servers, and is connected to both.
func checkPage(t *testing.T, page string) {
	t.Helper()
	var now struct {
		Servers []struct {
			Name      string
			Connected bool
		}
		Jobs []struct{ Server, Name string }
	}
	var past struct {
		Jobs []struct{ Server, Job string }
	}
	for path, answer := range map[string]any{"api/jobs": &now, "api/runs": &past} {
		code, body := get(t, page+path)
		if err := json.Unmarshal([]byte(body), answer); err != nil || code != http.StatusOK {
			t.Fatalf("%s: %d %v %s", path, code, err, body)
		}
	}
	var servers, jobs, runs []string
	for _, s := range now.Servers {
		servers = append(servers, fmt.Sprint(s.Name, " ", s.Connected))
	}
	for _, j := range now.Jobs {
		jobs = append(jobs, j.Server+" "+j.Name)
	}
	for _, j := range past.Jobs {
		runs = append(runs, j.Server+" "+j.Job)
	}
	slices.Sort(jobs)
	slices.Sort(runs)
	want := []string{"alpha docs to archive", "alpha site to staging", "beta slow to copy"}
	if !slices.Equal(servers, []string{"alpha true", "beta true"}) || !slices.Equal(jobs, want) || !slices.Equal(runs, want) {
		t.Errorf("the page has the servers %q, the jobs %q and the runs of %q", servers, jobs, runs)
	}
}
