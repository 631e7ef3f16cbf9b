//go:build !unix

package mirror

import "io/fs"

// ownerRuns returns true, because this system has no setuid bits.
func ownerRuns(fs.FileInfo) bool { return true }
