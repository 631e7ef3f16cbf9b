package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"mom.internal/testdata"
)

// demoBandwidth makes the run of the sample site take some seconds.
const demoBandwidth = 60_000

// demo reports whether the sample is mirrored, because no paths are given.
func (c *config) demo() bool { return c.sample || len(c.paths) == 0 }

// prepareDemo writes the sample site to a temporary directory, and makes room for
// its mirror there. clean removes both.
func (c *config) prepareDemo() (clean func(), err error) {
	dir, err := os.MkdirTemp("", "mom-demo-")
	if err == nil {
		err = os.CopyFS(dir, testdata.Site)
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("there is no room for the sample: %w; set TMPDIR, or name SRC and DST", err)
	}
	c.sample = true
	c.paths = []string{filepath.Join(dir, "site"), filepath.Join(dir, "staging")}
	return func() { os.RemoveAll(dir) }, nil
}

// emptyDir removes the content of a directory.
func emptyDir(dir string, log *slog.Logger) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, name := range names {
		if err := os.RemoveAll(filepath.Join(dir, name.Name())); err != nil {
			log.Warn("cannot empty the sample's destination", "error", err)
		}
	}
}
