// Package paths resolves paths, and opens files, in directories where every
// user may write, such as /tmp. There another user may have planted a link that
// leads to a file of this user, so that this process would overwrite that file.
// Packages cursorfile and mirror use it.
package paths

import (
	"fmt"
	"os"
)

// A Place is a path without symbolic links, as far as it exists.
type Place struct {
	Path   string
	name   string // as it was given, for errors
	shared bool   // another user may write in its directory
}

// Open opens the file at the place. It creates none, and does not wait for the
// other end of a pipe. It returns an error for what is not a regular file and,
// if other users may write in its directory, for a file of another user and for
// one with a second name.
func (p Place) Open(flag int) (*os.File, error) {
	found, err := os.Lstat(p.Path)
	if err != nil {
		return nil, err
	}
	if !found.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", p.name)
	}
	if err := p.planted(found); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(p.Path, flag|nonblock, 0)
	if err != nil {
		return nil, err
	}
	if opened, err := file.Stat(); err != nil || !os.SameFile(found, opened) {
		file.Close()
		return nil, fmt.Errorf("%s was replaced while it was opened", p.name)
	}
	return file, nil
}
