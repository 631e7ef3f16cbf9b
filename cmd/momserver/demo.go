package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// demoBandwidth makes the run of the sample site take some seconds.
const demoBandwidth = 60_000

// demo reports whether the sample is mirrored, because no paths are given.
func (c *config) demo() bool { return c.sample || len(c.paths) == 0 }

// prepareDemo finds the sample site and makes a destination for it, which clean
// removes.
func (c *config) prepareDemo() (clean func(), err error) {
	site, err := findSite()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "mom-demo-")
	if err != nil {
		return nil, fmt.Errorf("there is no directory for the mirrored sample: %w; set TMPDIR, or name SRC and DST", err)
	}
	c.sample = true
	c.paths = []string{site, filepath.Join(dir, "staging")}
	return func() { os.RemoveAll(dir) }, nil
}

// findSite looks for testdata/site in the working directory and its parents, up
// to the root of this module.
func findSite() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		site := filepath.Join(dir, "testdata", "site")
		mod, _ := os.ReadFile(filepath.Join(dir, "go.mod"))
		if strings.HasPrefix(string(mod), "module mom.internal\n") {
			if info, err := os.Stat(site); err == nil && info.IsDir() {
				return site, nil
			}
		}
		if dir == filepath.Dir(dir) {
			return "", usagef("there is no sample testdata/site in %s or above it: name SRC and DST", wd)
		}
	}
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
