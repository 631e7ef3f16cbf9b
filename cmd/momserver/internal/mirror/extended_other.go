//go:build !linux

package mirror

import "os"

// hasExtended returns false, because this program does not look for extended
// attributes on this system.
func hasExtended(*os.File) bool { return false }
