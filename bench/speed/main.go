// Command speed measures this library beside its peers, and writes SPEED.md and speed.svg.
//
//	go run ./speed -save FILE              measure, and keep the figures as JSON
//	go run ./speed -report FILE[,FILE]     write the report of kept figures: all tables of the first, and the goals of the others too
//
// `make bench` does both, with the encoding/json of today and with the one that is to come (GOEXPERIMENT=jsonv2), which changes what the
// peers do.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
)

func main() {
	save := flag.String("save", "", "measure, and keep the figures in this file")
	kept := flag.String("report", "", "write the report of these files")
	flag.Parse()
	var err error
	switch {
	case *save != "":
		err = keep(*save)
	case *kept != "":
		err = write(strings.Split(*kept, ","))
	default:
		err = errors.New("say -save or -report")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "speed:", err)
		os.Exit(1)
	}
}

// keep measures everything.
func keep(file string) error {
	text, err := json.MarshalIndent(newBuild(), "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

// write writes the report and the chart.
func write(files []string) error {
	builds := make([]build, len(files))
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &builds[i]); err != nil {
			return err
		}
	}
	counted, err := os.ReadFile("gate.txt")
	if err != nil {
		return err
	}
	if err := os.WriteFile("SPEED.md", report(builds, thisMachine(), string(counted)), 0o644); err != nil {
		return err
	}
	return os.WriteFile("speed.svg", chart(builds[0]), 0o644)
}
