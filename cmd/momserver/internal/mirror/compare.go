package mirror

import (
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"mom.internal/momserver"
)

// modeBits are the mode bits that are mirrored.
const modeBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// modeOf returns the mode that a file or a directory of the source gets at the
// destination.
func modeOf(info fs.FileInfo) fs.FileMode {
	mode := info.Mode() & modeBits
	if info.Mode().IsRegular() && !ownerRuns(info) {
		mode &^= fs.ModeSetuid | fs.ModeSetgid
	}
	return mode
}

// changes returns the entries that are missing or different at the destination.
// A directory that exists is not among them, because its mode and time are set
// at the end. It counts the files that it compares, and those that need not be
// moved, in the job.
func changes(ctx context.Context, t *tree, dest *os.Root, job *momserver.Job) ([]entry, error) {
	if dest == nil {
		return t.entries, nil
	}
	var changed []entry
	// All that is in a new directory is new. Stat would be wrong: if a link
	// stands in place of the directory, it would look at the target of the
	// link.
	fresh := make(map[string]bool)
	for _, e := range t.entries {
		if err := interrupted(ctx); err != nil {
			return nil, err
		}
		if !fresh[path.Dir(e.path)] {
			n := 1 // files
			if e.info.IsDir() {
				n = 0
			}
			job.Checked(n)
			if same(e, dest) {
				job.Skipped(n)
				continue
			}
		}
		changed = append(changed, e)
		if e.info.IsDir() {
			fresh[e.path] = true
		}
	}
	return changed, nil
}

// same reports whether the destination has the entry. A file is compared by
// size, time and mode.
func same(e entry, dest *os.Root) bool {
	name := filepath.FromSlash(e.path)
	info, err := dest.Lstat(name)
	if err != nil || info.Mode().Type() != e.info.Mode().Type() {
		return false
	}
	switch info.Mode().Type() {
	case fs.ModeDir:
		return true
	case fs.ModeSymlink:
		link, err := dest.Readlink(name)
		return err == nil && link == e.link
	}
	return info.Size() == e.info.Size() && info.ModTime().Equal(e.info.ModTime()) && info.Mode()&modeBits == modeOf(e.info)
}
