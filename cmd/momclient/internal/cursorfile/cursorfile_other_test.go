//go:build !unix || solaris || aix

package cursorfile

const locks = false
