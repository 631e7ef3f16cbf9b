//go:build !unix || solaris || aix

package flock

import "os"

// Take locks nothing on this system.
func Take(*os.Root, string) (*Lock, error) { return new(Lock), nil }

// Peek finds no lock on this system.
func Peek(*os.Root, string) error { return nil }

// Close does nothing.
func (l *Lock) Close() error { return nil }

// Try locks nothing on this system.
func Try(*os.File) error { return nil }
