//go:build !unix

package paths

import (
	"io/fs"
	"path/filepath"
)

const nonblock = 0

// Resolve follows the symbolic links of a path, as far as it exists.
func Resolve(path string) (Place, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return Place{}, err
	}
	rest := ""
	for dir := abs; ; dir = filepath.Dir(dir) {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return Place{Path: filepath.Join(real, rest), name: path}, nil
		}
		if dir == filepath.Dir(dir) {
			return Place{Path: abs, name: path}, nil
		}
		rest = filepath.Join(filepath.Base(dir), rest)
	}
}

func (p Place) planted(fs.FileInfo) error { return nil }
