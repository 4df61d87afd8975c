// A plain consumer with franz-go: every record as a line `PARTITION OFFSET VALUE` on standard
// output, through one buffer that is written out after each poll. `franz BROKERS TOPIC`
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

func fail(err error) {
	fmt.Fprintln(os.Stderr, "franz:", err)
	os.Exit(1)
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: franz BROKERS TOPIC")
		os.Exit(64)
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(os.Args[1], ",")...),
		kgo.ConsumeTopics(os.Args[2]),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		fail(err)
	}
	out := bufio.NewWriterSize(os.Stdout, 256*1024)
	line := make([]byte, 0, 1024)
	for {
		fetches := client.PollFetches(context.Background())
		for _, each := range fetches.Errors() {
			fail(each.Err)
		}
		for records := fetches.RecordIter(); !records.Done(); {
			record := records.Next()
			line = strconv.AppendInt(line[:0], int64(record.Partition), 10)
			line = append(line, ' ')
			line = strconv.AppendInt(line, record.Offset, 10)
			line = append(line, ' ')
			line = append(line, record.Value...)
			line = append(line, '\n')
			if _, err := out.Write(line); err != nil {
				fail(err)
			}
		}
		if err := out.Flush(); err != nil {
			fail(err)
		}
	}
}
