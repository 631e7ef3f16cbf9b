//go:build !linux

package mirror

import "os"

// hasExtended returns false, because on this system extended attributes are not
// looked for.
func hasExtended(*os.File) bool { return false }
