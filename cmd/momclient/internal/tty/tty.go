// Package tty asks a terminal for its size, reads keys without waiting, and
// puts it back as it was. It works on Linux, macOS and the BSDs; elsewhere no
// file is a terminal.
package tty

import "os"

// Terminal is the terminal that a program writes on. Its methods are for one
// goroutine at a time.
type Terminal struct {
	out   *os.File
	keys  *os.File // nil where keys come from elsewhere
	saved *modes   // of keys, as they were; nil while they are so
}

// Open returns the terminal behind out, nil where out is none. Keys are read
// from in, if it is a terminal too.
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

// Size returns columns and rows; 80 and 24 where the terminal does not know.
func (t *Terminal) Size() (columns, rows int) {
	columns, rows = size(t.out)
	if columns <= 0 || rows <= 0 {
		return 80, 24
	}
	return min(columns, maxSide), min(rows, maxSide)
}

// maxSide bounds a frame, whatever a terminal says of its size.
const maxSide = 1000

// Foreground reports whether the program may draw: a shell has not put it into
// the background.
func (t *Terminal) Foreground() bool { return foreground(t.out) }

// HasKeys reports whether Key can give anything.
func (t *Terminal) HasKeys() bool { return t.keys != nil }

// Listen lets keys come at once and unseen, until Restore. Ctrl-C, Ctrl-Z and
// Ctrl-\ remain signals.
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

// Key returns the next key, if one was pressed since Listen. It does not wait.
func (t *Terminal) Key() (key byte, ok bool) {
	if t.saved == nil {
		return 0, false
	}
	return readKey(t.keys)
}

// Restore puts the terminal back as Listen found it.
func (t *Terminal) Restore() {
	if t.saved != nil {
		setModes(t.keys, t.saved) // a terminal that is gone needs none
		t.saved = nil
	}
}
