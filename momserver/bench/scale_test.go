//go:build unix

package bench_test

import (
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"mom.internal/momserver"
)

var chart = flag.String("chart", "", "write the chart of BenchmarkScale to this file")

// manySubscribers is the configuration for up to 10,000 of them in one process, whose
// handlers share its processors, so that some handlers run only after seconds.
var manySubscribers = momserver.Config{
	GreetingsPerSecond: 100_000, MaxConnsPerAddr: 12_000, Heartbeat: time.Minute, CallTimeout: time.Minute,
}

// curve is what a delivery costs as one number grows.
type curve struct {
	name string
	at   []int
	load func(n int) load
	cost []float64 // processor time of a delivery, in ns, for each of at
}

// BenchmarkScale is the processor time of a delivery, both sides together, as the
// subscribers, the jobs, the packages of a run and the cached events become more. All
// packages are open at once and take turns, so that each event is of another one.
func BenchmarkScale(b *testing.B) {
	decades := []int{10, 100, 1000, 10_000}
	turns := func(packages, runs int) load {
		return load{Interleaved: Interleaved{packages, runs}, clients: 10, events: uint64(max(60_000, 10*packages))}
	}
	curves := []*curve{
		{name: "subscribers", at: decades, load: func(n int) load {
			return load{Interleaved: Interleaved{Packages: 4}, clients: n, events: uint64(max(1000, 2_000_000/n)), cfg: manySubscribers}
		}},
		{name: "jobs with 10 open packages", at: decades, load: func(n int) load { return turns(10*n, n) }},
		{name: "open packages of a run", at: decades, load: func(n int) load { return turns(n, 1) }},
		{name: "cached events", at: []int{10_000, 100_000, 1_000_000}, load: func(n int) load {
			l := turns(4, 1)
			l.first = uint64(n)
			l.cfg = momserver.Config{CacheEvents: n, CacheBytes: 1 << 30}
			return l
		}},
	}
	for _, c := range curves {
		for _, n := range c.at {
			b.Run(fmt.Sprintf("%s=%d", strings.ReplaceAll(c.name, " ", "-"), n), func(b *testing.B) {
				r := inTurn(b, []string{"mom"}, c.load(n).mom)
				r.report(b, "cpu-ns", cpu)
				r.report(b, "server-ns", func(m *measured) float64 { return float64(m.server) })
				c.cost = append(c.cost, median(len(r.figures[0]), func(i int) float64 { return cpu(&r.figures[0][i]) }))
			})
		}
	}
	if *chart != "" {
		if err := os.WriteFile(*chart, drawn(curves), 0o666); err != nil {
			b.Fatal(err)
		}
	}
}

// The chart in pixels: the size, and where the axes begin and end.
const (
	chartWidth, chartHeight   = 720, 360
	left, right, top, bottom  = 56, 480, 20, 316
	decadesShown, firstDecade = 5, 1 // from 10 to 1,000,000
)

// drawn returns the curves as an SVG: the processor time of a delivery in
// microseconds over the number, on a logarithmic axis.
func drawn(curves []*curve) []byte {
	most := 1.0 // of the vertical axis, in microseconds
	for _, c := range curves {
		for _, cost := range c.cost {
			most = max(most, math.Ceil(cost/1000))
		}
	}
	x := func(n float64) float64 { return left + (math.Log10(n)-firstDecade)/decadesShown*(right-left) }
	y := func(ns float64) float64 { return bottom - ns/1000/most*(bottom-top) }
	var svg strings.Builder
	text := func(x, y float64, anchor, text string) {
		fmt.Fprintf(&svg, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor, text)
	}
	line := func(x1, y1, x2, y2 float64) {
		fmt.Fprintf(&svg, "<path d=\"M%.0f %.0fL%.0f %.0f\" stroke=\"#ddd\"/>\n", x1, y1, x2, y2)
	}
	fmt.Fprintf(&svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"13\" fill=\"#333\">\n", chartWidth, chartHeight)
	fmt.Fprintf(&svg, "<title>Processor time of a delivery</title>\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", chartWidth, chartHeight)
	for n := range decadesShown + 1 {
		at := math.Pow10(n + firstDecade)
		line(x(at), top, x(at), bottom)
		text(x(at), bottom+18, "middle", grouped(int(at)))
	}
	for us := range int(most) + 1 {
		line(left, y(1000*float64(us)), right, y(1000*float64(us)))
		text(left-8, y(1000*float64(us))+4, "end", fmt.Sprintf("%d µs", us))
	}
	for i, c := range curves {
		colour := [...]string{"#0072b2", "#d55e00", "#009e73", "#cc79a7"}[i]
		fmt.Fprintf(&svg, "<g stroke=\"%s\" stroke-width=\"2\" fill=\"none\"><path d=\"", colour)
		for j, cost := range c.cost {
			fmt.Fprintf(&svg, "%c%.1f %.1f", "ML"[min(j, 1)], x(float64(c.at[j])), y(cost))
		}
		fmt.Fprintf(&svg, "\"/><path d=\"M%d %dh24\"/></g>\n", right+24, top+14+24*i)
		for j, cost := range c.cost {
			fmt.Fprintf(&svg, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", x(float64(c.at[j])), y(cost), colour)
		}
		text(right+54, float64(top+18+24*i), "start", c.name)
	}
	text((left+right)/2, bottom+38, "middle", "how many")
	svg.WriteString("</svg>\n")
	return []byte(svg.String())
}

// grouped writes n with commas.
func grouped(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
