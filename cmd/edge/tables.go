package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"

	"edge/rules"
)

// maxTable is what is read of a table's file at most: one byte more than it may have, so that the rules see that
// it is too long and say so.
const maxTable = 64<<20 + 1

// readTable reads a table's file and says what it was, as tablePrint does.
func readTable(name string) (data []byte, print string, err error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
	case info.Size() >= maxTable:
		err = errors.New("has more than 64 MiB")
	default:
		data, err = readAtMost(name, maxTable)
	}
	return data, printOf(name, info, data, err), err
}

// tablePrint is equal when a table's file is. Beyond the size of a rule file its time and length speak for it:
// it is looked at every few seconds.
func tablePrint(name string) string {
	info, err := os.Stat(name)
	var data []byte
	if err == nil && info.Size() < maxFile {
		data, err = readFile(name)
	}
	return printOf(name, info, data, err)
}

func printOf(name string, info os.FileInfo, data []byte, err error) string {
	switch {
	case err != nil:
		return fmt.Sprintf("%s: %s ", name, reason(err))
	case info.Size() < maxFile:
		return fmt.Sprintf("%s: %x ", name, sha256.Sum256(data))
	}
	return fmt.Sprintf("%s: %d bytes of %d ", name, info.Size(), info.ModTime().UnixNano())
}

// tableReader reads the files of tables for one load, and notes in f what it has read. Of a set that ran before it
// gives the tables as they were then.
func (f *files) tableReader() func(name string) ([]byte, error) {
	kept := f.tables
	f.tables, f.prints = nil, map[string]string{}
	return func(name string) ([]byte, error) {
		same := func(other rules.File) bool { return other.Name == name }
		if slices.ContainsFunc(f.tables, same) {
			return f.tables[slices.IndexFunc(f.tables, same)].Data, nil
		}
		if i := slices.IndexFunc(kept, same); i >= 0 {
			f.tables = append(f.tables, kept[i])
			return kept[i].Data, nil
		}
		data, print, err := readTable(name)
		f.prints[name] = print
		if err == nil {
			f.tables = append(f.tables, rules.File{Name: name, Data: data})
		}
		return data, err
	}
}

// readTableFile is what lint and eval read tables with.
func readTableFile(name string) ([]byte, error) {
	data, _, err := readTable(name)
	return data, err
}
