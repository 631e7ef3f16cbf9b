//go:build !unix

package mirror

import "io/fs"

// This system has no setuid bits, and fs.FileInfo has no numbers of files here.

func ownerRuns(fs.FileInfo) bool       { return true }
func deviceOf(fs.FileInfo) uint64      { return 0 }
func inodeOf(fs.FileInfo) uint64       { return 0 }
func namesOf(fs.FileInfo) uint64       { return 1 }
func storedOf(info fs.FileInfo) int64  { return info.Size() }
func changedAt(fs.FileInfo) (at stamp) { return stamp{} }
