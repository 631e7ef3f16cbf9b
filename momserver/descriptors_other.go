//go:build !unix

package momserver

// descriptorLimit returns 0, because the limit is not known here.
func descriptorLimit() int { return 0 }
