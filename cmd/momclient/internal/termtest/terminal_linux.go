package termtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"mom.internal/cmd/momclient/internal/tty"
)

// hangs is the time after which a test counts as hanging. It is long, because
// the machine may be busy.
const hangs = 2 * time.Minute

// Terminal is a pseudo-terminal with a screen, and the process on it.
type Terminal struct {
	Slave *os.File
	Cmd   *exec.Cmd // nil before Start

	t      *testing.T
	master *os.File
	before syscall.Termios

	mu     sync.Mutex // guards the fields below
	screen *Screen
	output bytes.Buffer
}

// NewTerminal opens a terminal until the test ends.
func NewTerminal(t *testing.T, columns, rows int) *Terminal {
	t.Helper()
	master, slave, err := OpenPTY()
	if err != nil {
		t.Skip(err)
	}
	p := &Terminal{t: t, master: master, Slave: slave, screen: NewScreen(columns, rows)}
	t.Cleanup(p.Hangup)
	p.Resize(columns, rows)
	p.before = p.modes()
	go p.read()
	return p
}

// read draws the output until the terminal is closed.
func (p *Terminal) read() {
	buf := make([]byte, 1<<16)
	for {
		n, err := p.master.Read(buf)
		p.mu.Lock()
		p.screen.Write(buf[:n])
		p.output.Write(buf[:n])
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Resize changes the size of the terminal.
func (p *Terminal) Resize(columns, rows int) {
	p.t.Helper()
	p.mu.Lock()
	p.screen.Resize(columns, rows)
	p.mu.Unlock()
	if err := ResizePTY(p.master, columns, rows); err != nil {
		p.t.Fatal(err)
	}
}

// Hangup closes the terminal.
func (p *Terminal) Hangup() {
	p.Slave.Close()
	p.master.Close()
}

func (p *Terminal) modes() (m syscall.Termios) {
	if err := tty.Ioctl(p.Slave, syscall.TCGETS, unsafe.Pointer(&m)); err != nil {
		p.t.Error(err)
	}
	return m
}

// Start starts this test binary on the terminal, with env added to its
// environment.
func (p *Terminal) Start(env []string, args ...string) {
	p.t.Helper()
	p.Cmd = exec.Command(os.Args[0], args...)
	p.Cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "TERM=xterm", "NO_COLOR=", "LC_ALL=C.UTF-8")
	p.Cmd.Env = append(p.Cmd.Env, env...)
	p.Cmd.Stdin, p.Cmd.Stdout, p.Cmd.Stderr = p.Slave, p.Slave, p.Slave
	p.Cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.Cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { p.Cmd.Process.Kill(); p.Cmd.Wait() })
}

// Text returns the text on the screen.
func (p *Terminal) Text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.screen.Text()
}

// Output returns the bytes that were written so far.
func (p *Terminal) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// Shows waits until all the words are on the screen.
func (p *Terminal) Shows(words ...string) {
	p.t.Helper()
	p.Eventually(fmt.Sprintf("shown: %q", words), func() bool {
		text := p.Text()
		for _, word := range words {
			if !strings.Contains(text, word) {
				return false
			}
		}
		return true
	})
}

// Eventually waits until the condition holds.
func (p *Terminal) Eventually(what string, holds func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(hangs); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("after %v not %s; the screen has\n%s", hangs, what, p.Text())
		}
	}
}

// Type presses keys.
func (p *Terminal) Type(keys string) {
	p.t.Helper()
	if _, err := p.master.WriteString(keys); err != nil {
		p.t.Error(err)
	}
}

// Exits checks that the process ends with the code and leaves the terminal as
// it was.
func (p *Terminal) Exits(code int) {
	p.t.Helper()
	if got := p.Wait(); got != code {
		p.t.Errorf("%v, want exit %d", p.Cmd.ProcessState, code)
	}
	p.Restored()
}

// Wait waits until the process ends, and returns its exit code.
func (p *Terminal) Wait() (code int) {
	p.t.Helper()
	hung := time.AfterFunc(hangs, func() { p.Cmd.Process.Kill() })
	defer hung.Stop()
	var exit *exec.ExitError
	if err := p.Cmd.Wait(); err != nil && !errors.As(err, &exit) {
		p.t.Error(err)
	}
	return p.Cmd.ProcessState.ExitCode()
}

// Restored checks that the modes and the screen of the terminal are as they were
// before. No other process may write to the terminal then. The terminal may
// still hold output, so Restored writes a bell, which nothing else writes, and
// waits until the bell has come out.
func (p *Terminal) Restored() {
	p.t.Helper()
	const bell = "\a"
	if _, err := p.Slave.WriteString(bell); err != nil {
		p.t.Error(err)
	}
	p.Eventually("read to the end", func() bool { return strings.Contains(p.Output(), bell) })
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.screen.Alternate || p.screen.Hidden || p.screen.NoWrap || p.screen.Syncing || p.screen.Pasting {
		p.t.Errorf("the terminal was left with alternate screen %v, cursor hidden %v, no wrap %v, synchronized %v, paste marked %v", p.screen.Alternate, p.screen.Hidden, p.screen.NoWrap, p.screen.Syncing, p.screen.Pasting)
	}
	if len(p.screen.Unknown) > 0 {
		p.t.Errorf("unknown sequences %q", p.screen.Unknown)
	}
	if m := p.modes(); m != p.before {
		p.t.Errorf("the modes of the terminal are %+v; were %+v", m, p.before)
	}
}
