//go:build unix

package paths

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const nonblock = syscall.O_NONBLOCK

// Resolve follows the symbolic links of a path. It returns an error for a link
// in a directory where another user may write: one where every user may, or one
// that another user, but not root, has made in such a directory.
func Resolve(path string) (Place, error) {
	p := Place{Path: "/", name: path}
	if !filepath.IsAbs(path) {
		dir, err := os.Getwd()
		if err == nil {
			dir, err = filepath.EvalSymlinks(dir)
		}
		if err != nil {
			return p, err
		}
		path = dir + "/" + path // not cleaned, because .. may follow a link
	}
	links := 0
	for rest := strings.Split(path, "/"); len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			p.Path = filepath.Dir(p.Path) // p.shared may stay, which refuses more than needed
			continue
		}
		if dir, err := os.Lstat(p.Path); err == nil {
			p.shared = dir.Mode()&0o002 != 0 || p.shared && isStrangers(dir)
		}
		next := filepath.Join(p.Path, name)
		info, err := os.Lstat(next)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			p.Path = next
			continue
		}
		target, err := os.Readlink(next)
		if links++; err != nil || links > 40 {
			return p, fmt.Errorf("%s is a symbolic link that cannot be followed, or one of too many", next)
		}
		if p.shared {
			return p, fmt.Errorf("%s is a symbolic link in a directory where other users may write, and is not followed; if it is yours, name what it leads to: %s", next, target)
		}
		if filepath.IsAbs(target) {
			p.Path, p.shared = "/", false
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return p, nil
}

// planted returns an error if another user may have put the file there.
func (p Place) planted(file fs.FileInfo) error {
	switch {
	case !p.shared:
		return nil
	case isStrangers(file):
		return fmt.Errorf("%s belongs to another user, in a directory where other users may write; name a file in a directory of your own", p.name)
	case file.Sys().(*syscall.Stat_t).Nlink > 1:
		return fmt.Errorf("%s has another name (a hard link), in a directory where other users may write; name a file in a directory of your own", p.name)
	}
	return nil
}

// isStrangers reports whether something belongs neither to the user of this
// process nor to root.
func isStrangers(info fs.FileInfo) bool {
	owner := info.Sys().(*syscall.Stat_t).Uid
	return owner != 0 && int(owner) != os.Geteuid()
}
