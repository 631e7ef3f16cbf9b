// Package testdata has the sample site that momserver mirrors if it is given no
// paths.
package testdata

import "embed"

// Site has the sample site, in the directory site.
//
//go:embed all:site
var Site embed.FS
