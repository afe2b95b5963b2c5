package main

import (
	"bytes"
	"fmt"
	"html"

	"github.com/a74cfa30/tokenauth/bench/workload"
)

// The chart is bars without a scale, each with its figure beside it. Its colours are chosen to be read on white and on black, and where the
// program that shows it knows which of the two it is, they change with it.

const (
	rowHeight = 22
	nameWidth = 190
	barWidth  = 400
	width     = nameWidth + barWidth + 150
)

const style = `<style>
text { font: 13px system-ui, sans-serif; fill: #57606a }
.title { font-weight: 600; fill: #24292f }
.ours { fill: #0969da } .limit { fill: #8c959f } .peer { fill: #bf8700 }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 } .title { fill: #e6edf3 }
.ours { fill: #4493f8 } .limit { fill: #656c76 } .peer { fill: #d29922 }
}
</style>
`

// A bar is one row of the chart.
type bar struct {
	name, class string
	nanoseconds float64
}

// chart draws what a verify takes, by EdDSA and by HS256.
func chart(b build) []byte {
	var body bytes.Buffer
	y := 0
	for _, algorithm := range []string{"EdDSA", "HS256"} {
		bars := barsOf(b, algorithm)
		longest := 0.0
		for _, r := range bars {
			longest = max(longest, r.nanoseconds)
		}
		y += 28
		fmt.Fprintf(&body, "<text class=\"title\" x=\"4\" y=\"%d\">Verifying one token, %s</text>\n", y, algorithm)
		y += 10
		for _, r := range bars {
			length := max(r.nanoseconds/longest*barWidth, 1)
			fmt.Fprintf(&body, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", nameWidth-8, y+15, html.EscapeString(r.name))
			fmt.Fprintf(&body, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\"/>\n",
				r.class, nameWidth, y+3, length, rowHeight-6)
			fmt.Fprintf(&body, "<text x=\"%.1f\" y=\"%d\">%s</text>\n", nameWidth+length+6, y+15, duration(r.nanoseconds))
			y += rowHeight
		}
	}
	y += 10
	var out bytes.Buffer
	fmt.Fprintf(&out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" ",
		width, y, width, y)
	out.WriteString("aria-label=\"Time to verify one token\">\n")
	out.WriteString(style)
	out.Write(body.Bytes())
	out.WriteString("</svg>\n")
	return out.Bytes()
}

// barsOf returns the bars of an algorithm: the limit, this library, its peers.
func barsOf(b build, algorithm string) []bar {
	table := "cold " + algorithm
	bars := []bar{{"the signature alone", "limit", b.at(table, limit).Nanoseconds}}
	if algorithm == "EdDSA" {
		bars = append(bars, bar{"tokenauth, seen before", "ours", b.at("again", "1000").Nanoseconds})
	}
	for _, library := range workload.Libraries() {
		f := b.at(table, library.Name)
		switch {
		case f.Nanoseconds == 0:
		case library.Name == "tokenauth":
			bars = append(bars, bar{"tokenauth", "ours", f.Nanoseconds})
		default:
			bars = append(bars, bar{library.Name, "peer", f.Nanoseconds})
		}
	}
	return bars
}
