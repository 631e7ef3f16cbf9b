//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package tty

import "syscall"

const (
	getTermios = syscall.TIOCGETA
	setTermios = syscall.TIOCSETA
)
