//go:build unix

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mom.internal/wire"
	"mom.internal/wire/wiretest/invariant"
)

// tree makes a source with files of different sizes, and returns it with a
// destination that does not exist yet.
func tree(t *testing.T, files int) (src, dst string) {
	t.Helper()
	top := t.TempDir()
	src, dst = filepath.Join(top, "site"), filepath.Join(top, "staging")
	for i := range files {
		path := filepath.Join(src, fmt.Sprintf("part %d/åäö/page-%d.html", i%7, i))
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, bytes.Repeat([]byte{byte(i)}, i*53%8000), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return src, dst
}

// same checks that src and dst have the same files, byte by byte.
func same(t *testing.T, src, dst string) {
	t.Helper()
	if out, err := exec.Command("diff", "-r", "-x", ".momspool*", src, dst).CombinedOutput(); err != nil {
		t.Errorf("%v: %.1000s", err, out)
	}
}

// TestPair mirrors a tree and follows the run to its end, then a run with
// nothing to do.
func TestPair(t *testing.T) {
	t.Parallel()
	for _, flags := range [][]string{nil, {"-callback", "127.0.0.1:0"}} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			t.Parallel()
			src, dst := tree(t, 130)
			server, addr := serve(t, "", "-once", "-wait", "1", src, dst)
			monitor := watch(t, addr, append(flags, "-exit-when-done", "-job", "site to staging")...)
			monitor.exits(0)
			server.exits(0)
			same(t, src, dst)
			checkRun(t, events(t, monitor.stdout.String()), 130)

			server, addr = serve(t, "", "-once", "-wait", "1", src, dst)
			monitor = watch(t, addr, append(flags, "-exit-when-done")...)
			monitor.exits(0)
			server.exits(0)
			all := events(t, monitor.stdout.String())
			if len(all) != 2 || all[1].Data.Status.State != wire.JobCompleted || !strings.Contains(monitor.stdout.String(), "nothing to mirror: the destination is up to date") {
				t.Errorf("the second run:\n%s", &monitor.stdout)
			}
			if text := monitor.stderr.String(); strings.Contains(text, "waiting") || strings.Contains(text, "lost") {
				t.Errorf("stderr %s", text)
			}
		})
	}
}

// checkRun checks that these are all events of one run, from its beginning to
// its end, and that each package goes through its states.
func checkRun(t *testing.T, all []wire.Event, files int) {
	t.Helper()
	if got, want := told(t, all), (invariant.Told{Fresh: len(all), Last: uint64(len(all))}); got != want {
		t.Errorf("told %+v; want %+v", got, want)
	}
	last := make(map[int]wire.State)    // by the package's number
	var before, announced wire.Progress // announced with the first package
	for i, e := range all {
		p, state := e.Data.Progress, e.Data.Status.State
		if e.RunID != all[0].RunID || e.EndsRun() != (i == len(all)-1) {
			t.Errorf("event %d of %d is %+v", i+1, len(all), e)
		}
		if p.BytesDone < before.BytesDone || p.FilesDone < before.FilesDone || p.PackagesDone < before.PackagesDone {
			t.Errorf("event %d goes back from %+v to %+v", e.Seq, before, p)
		}
		before = p
		if h := e.Data.Header; h != nil {
			if was, ok := last[h.Number]; ok && !was.MayBecome(state) || !ok && state != wire.PackageInitialized {
				t.Errorf("event %d: package %d goes from %v to %v", e.Seq, h.Number, was, state)
			}
			if len(last) == 0 {
				announced = p
			}
			last[h.Number] = state
		}
	}
	for n, state := range last {
		if state != wire.PackageCompleted {
			t.Errorf("package %d ends %v", n, state)
		}
	}
	if len(all) == 0 {
		t.Fatal("no events")
	}
	first, end := all[0].Data, all[len(all)-1].Data
	if p := announced; first.Status.State != wire.JobInitialized || p.FilesTotal != files || p.PackagesTotal != len(last) || p.BytesTotal != end.Progress.BytesTotal || len(last) < 2 {
		t.Errorf("%d packages; it begins %+v, and announces %+v", len(last), first.Status, p)
	}
	if p := end.Progress; end.Status.State != wire.JobCompleted || p.Fraction() != 1 || p.BytesDone != p.BytesTotal || p.PackagesDone != len(last) || p.FilesDone != files || p.Errors+p.Warnings != 0 {
		t.Errorf("it ends %+v with %+v", end.Status, p)
	}
}

// TestWithErrors: both commands exit with 1 if a package failed that did not
// end the run.
func TestWithErrors(t *testing.T) {
	t.Parallel()
	src, dst := tree(t, 3)
	if err := os.MkdirAll(filepath.Join(dst, "part 1", "åäö", "page-1.html", "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	server, addr := serve(t, "", "-once", "-wait", "1", "-continue-on-error", "-package-files", "1", src, dst)
	monitor := watch(t, addr, "-exit-when-done")
	monitor.exits(1)
	server.exits(1)
	all := events(t, monitor.stdout.String())
	if end := all[len(all)-1]; end.Outcome() != wire.SucceededWithErrors || end.Data.Progress.PackagesDone == 0 {
		t.Errorf("it ends %+v", end.Data)
	}
}

// told gives the events that a monitor has shown to the checkers of invariant,
// and returns their counts.
func told(t *testing.T, all []wire.Event) invariant.Told {
	t.Helper()
	stream := invariant.NewStream(invariant.Unknown(), wire.Filter{}, invariant.Fails(t))
	for _, e := range all {
		stream.Event(e)
	}
	return stream.Told()
}
