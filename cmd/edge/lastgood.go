package main

import (
	"encoding/json"
	"os"
	"path/filepath"

	"edge/rules"
)

// The last good set is kept as one file, so that it is replaced whole or not at all. It holds what
// edge.yaml holds, so it is for its owner only.
const lastGood = "last-good.json"

type keptFile struct {
	Name string `json:"name"`
	Data []byte `json:"data"`
}

type keptFiles struct {
	Config keptFile   `json:"config"`
	Rules  []keptFile `json:"rules"`
	Tables []keptFile `json:"tables,omitempty"`
}

// stateDir is where a config keeps its state. One that cannot be read does not say; then systemd may.
func stateDir(config *Config) string {
	if config != nil && config.State.Dir != "" {
		return config.State.Dir
	}
	return os.Getenv("STATE_DIRECTORY")
}

func writeLastGood(dir string, f files) error {
	kept := keptFiles{Config: keptFile(f.config)}
	for _, file := range f.rules {
		kept.Rules = append(kept.Rules, keptFile(file))
	}
	for _, file := range f.tables {
		kept.Tables = append(kept.Tables, keptFile(file))
	}
	data, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return writeWhole(filepath.Join(dir, lastGood), data, 0o600)
}

// writeWhole writes a file so that a power cut leaves the old one or the new one.
func writeWhole(name string, data []byte, mode os.FileMode) error {
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, "."+filepath.Base(name)+"-*") // for its owner only
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if shut := f.Close(); err == nil {
		err = shut
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// readLastGood gives the files of the set that ran last, under the names that they had, so that what they
// name relative to themselves is found.
func readLastGood(dir string) (f files, ok bool) {
	if dir == "" {
		return f, false
	}
	data, err := os.ReadFile(filepath.Join(dir, lastGood))
	if err != nil {
		return f, false
	}
	var kept keptFiles
	if err := json.Unmarshal(data, &kept); err != nil || len(kept.Config.Data) == 0 {
		return f, false
	}
	f.config = rules.File(kept.Config)
	for _, file := range kept.Rules {
		f.rules = append(f.rules, rules.File(file))
	}
	for _, file := range kept.Tables {
		f.tables = append(f.tables, rules.File(file))
	}
	return f, true
}
