// Package tty reads the size and the keys of a terminal without waiting, and
// restores its modes. It works on Linux, macOS and the BSDs. On other systems
// no file is a terminal. Package screen draws with it.
package tty

import "os"

// Terminal is the terminal on which a program writes. Its methods are for one
// goroutine at a time.
type Terminal struct {
	out   *os.File
	keys  *os.File // nil if keys do not come from a terminal
	saved *modes   // the original modes of keys; nil while they are in force
}

// Open returns the terminal out, or nil if out is none. If in is a terminal,
// too, keys are read from it.
func Open(in, out *os.File) *Terminal {
	if out == nil || !isTerminal(out) {
		return nil
	}
	t := &Terminal{out: out}
	if in != nil && isTerminal(in) {
		t.keys = in
	}
	return t
}

// Write writes to the terminal.
func (t *Terminal) Write(p []byte) (int, error) { return t.out.Write(p) }

// Size returns the size, or 80 and 24 if the terminal does not know it.
func (t *Terminal) Size() (columns, rows int) {
	columns, rows = size(t.out)
	if columns <= 0 || rows <= 0 {
		return 80, 24
	}
	return min(columns, maxSide), min(rows, maxSide)
}

// maxSide bounds the size, whatever the terminal reports.
const maxSide = 1000

// Foreground reports whether the program may draw, because no shell has put it
// into the background.
func (t *Terminal) Foreground() bool { return foreground(t.out) }

// HasKeys reports whether Typed can return keys.
func (t *Terminal) HasKeys() bool { return t.keys != nil }

// Listen makes keys available at once, without an echo, until Restore. Ctrl-C,
// Ctrl-Z and Ctrl-\ remain signals.
func (t *Terminal) Listen() error {
	if t.keys == nil || t.saved != nil {
		return nil
	}
	m, err := getModes(t.keys)
	if err != nil {
		return err
	}
	if err := setModes(t.keys, m.listening()); err != nil {
		return err
	}
	t.saved = m
	return nil
}

// Typed reads into p the bytes that were typed since Listen and were not read yet. It
// returns their number, and does not wait.
func (t *Terminal) Typed(p []byte) int {
	if t.saved == nil {
		return 0
	}
	return readKeys(t.keys, p)
}

// Restore restores the modes from before Listen.
func (t *Terminal) Restore() {
	if t.saved != nil {
		setModes(t.keys, t.saved) // no error matters if the terminal is gone
		t.saved = nil
	}
}
