//go:build unix

package mirror

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"mom.internal/momserver"
)

// Environment variables that give this test binary another task.
const (
	envNobody = "MOM_TEST_NOBODY" // drop root first
	envSource = "MOM_TEST_SOURCE" // mirror to envDest, and write a byte at every moment
	envDest   = "MOM_TEST_DEST"
	envSpool  = "MOM_TEST_SPOOL" // let packages arrive there
	envState  = "MOM_TEST_STATE"
	envLock   = "MOM_TEST_LOCK" // lock all that can be opened in a directory, until the end of stdin
)

func TestMain(m *testing.M) {
	if os.Getenv(envNobody) != "" {
		for _, err := range []error{syscall.Setgroups(nil), syscall.Setgid(65534), syscall.Setuid(65534)} {
			if err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
		}
	}
	if dir := os.Getenv(envLock); dir != "" {
		fmt.Println("locked", len(lockAll(dir)))
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	if src := os.Getenv(envSource); src != "" {
		os.Exit(mirrorAndTell(src, os.Getenv(envDest)))
	}
	os.Exit(m.Run())
}

// asNobody reports whether permissions apply to this user. For root it runs the
// test again as nobody, and the caller must return.
func asNobody(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		return true
	}
	tmp, err := os.MkdirTemp("", "mom-nobody-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	if err := os.Chown(tmp, 65534, 65534); err != nil {
		t.Skipf("this root may not give files away: %v", err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), envNobody+"=1", "TMPDIR="+tmp, "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
	return false
}

// mirrorAndTell mirrors in this process, and writes a byte to stdout at every
// moment.
func mirrorAndTell(src, dst string) int {
	m, err := New(momserver.New(momserver.Config{}), src, dst, Options{
		PackageFiles: 4, PackageBytes: 100_000, Delete: true, Spool: os.Getenv(envSpool), State: os.Getenv(envState),
	})
	if err == nil {
		_, err = m.Run(&moments{Context: context.Background(), do: func(int) { os.Stdout.Write([]byte{'.'}) }})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// slow reports whether to run long tests completely.
func slow() bool { return os.Getenv("MOM_TEST_SLOW") != "" }

// TestKilled kills a process that mirrors, at many moments, with the spool in the
// destination and elsewhere. The destination has only whole files, and the next run
// completes it and leaves nothing behind, there and in the spool.
func TestKilled(t *testing.T) {
	for _, spool := range []string{"", t.TempDir()} {
		testKilled(t, spool)
	}
}

func testKilled(t *testing.T, spool string) {
	p := onTheWay(t, Options{Delete: true, Spool: spool})
	old, now := tell(t, p.dst), tell(t, p.src)
	tmp := t.TempDir()
	child := func(kill int) (moments int) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), envSource+"="+p.src, envDest+"="+p.dst, envSpool+"="+spool, envState+"="+p.opts.State, "TMPDIR="+tmp, "GORACE=atexit_sleep_ms=0")
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReaderSize(out, 16)
		for {
			if _, err := r.ReadByte(); err != nil {
				break
			}
			if moments++; moments == kill {
				cmd.Process.Kill()
				io.Copy(io.Discard, r)
				break
			}
		}
		if err := cmd.Wait(); kill == 0 && err != nil {
			t.Fatal(err)
		}
		return moments
	}
	total := child(0)
	compare(t, now, tell(t, p.dst), true)
	spools, kills := 0, 24
	if slow() {
		kills = total // at each moment
	}
	for n := range kills {
		openTree(p.dst)
		os.RemoveAll(p.dst)
		os.Mkdir(p.dst, 0o755)
		plant(t, p.dst, oldSite...)
		kill := 1 + n*total/kills
		child(kill)
		wholeOnly(t, tell(t, p.dst), old, now)
		if found, _ := filepath.Glob(filepath.Join(p.dst, spoolPrefix+"*")); len(found) > 0 {
			spools++
		}
		if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
			t.Errorf("the killed process left %v, %v", left, err)
		}
		p.mirrored()
		p.upToDate()
		if spool != "" {
			if left, err := os.ReadDir(spool); err != nil || len(left) > 0 {
				t.Errorf("the spool has %v, %v", left, err)
			}
		}
		if t.Failed() {
			t.Fatalf("killed at moment %d of %d", kill, total)
		}
	}
	if spools == 0 {
		t.Error("no kill left a spool, so none was seen to be removed")
	}
}

// TestStaleSpool removes the spool of a dead run, or its lock, even if there is
// nothing to mirror.
func TestStaleSpool(t *testing.T) {
	p := newPair(t, Options{})
	plant(t, p.src, file("f", "x"))
	p.mirrored()
	plant(t, p.dst, dir(spoolPrefix+"7b0d5b1e-6d2f-4b1c-9a55-0c6f0a2f3a11").with(0o500), file(spoolPrefix+"7b0d5b1e-6d2f-4b1c-9a55-0c6f0a2f3a11/package-0001.tar", "x"))
	p.upToDate()
	plant(t, p.dst, file(lockName, "momserver, process 1, since yesterday\n").with(0o600))
	p.upToDate()
}
