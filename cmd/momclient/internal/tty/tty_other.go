//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package tty

import "os"

type modes struct{}

func (m *modes) listening() *modes { return m }

func getModes(*os.File) (*modes, error) { return new(modes), nil }
func setModes(*os.File, *modes) error   { return nil }
func isTerminal(*os.File) bool          { return false }
func size(*os.File) (columns, rows int) { return 0, 0 }
func foreground(*os.File) bool          { return true }
func readKeys(*os.File, []byte) int     { return 0 }

// Notify does nothing on this system.
func Notify(resizes, suspends, crashes chan<- os.Signal) (stop func()) { return func() {} }

// Suspend does nothing on this system.
func Suspend() {}

// Crash ends the program.
func Crash(os.Signal) { os.Exit(2) }
