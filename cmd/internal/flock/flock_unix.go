//go:build unix && !solaris && !aix

package flock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// maxHolder bounds the bytes that are read about a holder.
const maxHolder = 256

// Take takes the lock that the file of that name in dir stands for. It creates
// the file if there is none. dir must stay open until Close. The error is a
// [*Held], wraps [ErrUnwritable], or says what else is in the way. On a file
// system without locks, Take takes no lock.
//
// Close removes the file. So a file that is locked counts only if it still has
// its name, because its owner may have removed it just before.
func Take(dir *os.Root, name string) (*Lock, error) {
	path := filepath.Join(dir.Name(), name)
	for range 100 {
		file, created, err := open(dir, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed in between
		}
		if err != nil {
			return nil, err
		}
		if err := Try(file); err != nil {
			defer file.Close()
			return nil, &Held{holder(file)}
		}
		opened, err := file.Stat()
		named, nerr := dir.Lstat(name)
		if err != nil || nerr != nil || !os.SameFile(opened, named) {
			file.Close()
			continue
		}
		owner := ownerOf(opened)
		if !created && (owner != os.Geteuid() || opened.Mode()&0o077 != 0) { // others can open it
			err := dir.Remove(name)
			file.Close()
			if err != nil {
				return nil, fmt.Errorf("%s belongs to the user with ID %d, and has to be removed first: %w", path, owner, err)
			}
			continue
		}
		file.Truncate(0)
		fmt.Fprintf(file, "%s, process %d, since %s\n", filepath.Base(os.Args[0]), os.Getpid(), time.Now().Format(time.RFC3339))
		return &Lock{dir, name, file}, nil
	}
	return nil, fmt.Errorf("%s is made and removed again and again", path)
}

// Peek returns a [*Held] error if the lock that the file of that name in dir stands
// for is held, perhaps by another user.
func Peek(dir *os.Root, name string) error {
	found, err := dir.Lstat(name)
	if err != nil || !found.Mode().IsRegular() {
		return nil
	}
	file, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrPermission) {
		return &Held{fmt.Sprintf("the user with ID %d", ownerOf(found))}
	}
	if err != nil {
		return nil
	}
	defer file.Close()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return &Held{holder(file)}
	}
	return nil
}

// open opens the lock file, or creates it, through no link.
func open(dir *os.Root, name string) (file *os.File, created bool, err error) {
	file, err = dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return nil, false, fmt.Errorf("%w: %w", ErrUnwritable, err)
	}
	if !errors.Is(err, fs.ErrExist) {
		return file, true, err
	}
	found, err := dir.Lstat(name)
	if err != nil {
		return nil, false, err
	}
	path := filepath.Join(dir.Name(), name)
	if !found.Mode().IsRegular() || found.Sys().(*syscall.Stat_t).Nlink > 1 {
		return nil, false, fmt.Errorf("%s is not a lock file of this program; remove it", path)
	}
	file, err = dir.OpenFile(name, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrPermission) {
		return nil, false, fmt.Errorf("%s belongs to the user with ID %d, who holds the lock or was killed; if nothing of that user runs, remove it", path, ownerOf(found))
	}
	return file, false, err
}

func ownerOf(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

// holder returns what a lock file says about who has locked it.
func holder(file *os.File) string {
	text := make([]byte, maxHolder)
	n, _ := file.ReadAt(text, 0)
	line, _, _ := strings.Cut(string(text[:n]), "\n")
	if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return line
}

// Close removes the file and releases the lock.
func (l *Lock) Close() error {
	err := l.dir.Remove(l.name)
	return errors.Join(err, l.file.Close())
}

// Try locks an open file until it is closed or the process ends. It returns a
// [*Held] error if the file is locked. On a file system without locks it does
// nothing.
func Try(f *os.File) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return new(Held)
	}
	return nil
}
