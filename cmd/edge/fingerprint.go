package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// A fingerprint is equal for equal settings. It covers the contents of the files they name (secrets,
// certificates) and the settings of the source whose connection a sink borrows.
type fingerprint string

func (c *Config) sourcePrint(name string) fingerprint {
	h := sha256.New()
	// Topics are handed to the source anew at each swap: a new one needs no new connection.
	c.digest(h, find(c.root, "sources", name), find(c.root, "sources", name, "mqtt", "topics"))
	return fingerprint(hex.EncodeToString(h.Sum(nil)))
}

func (c *Config) sinkPrint(name string) fingerprint {
	h := sha256.New()
	// How the queue treats the sink is the engine's to change, with the sink as it is.
	c.digest(h, find(c.root, "sinks", name), find(c.root, "sinks", name, "batch"),
		find(c.root, "sinks", name, "retry"), find(c.root, "sinks", name, "buffer"))
	if sink, ok := c.Sinks.Get(name); ok && sink.MQTT != nil && sink.MQTT.Source != "" {
		io.WriteString(h, string(c.sourcePrint(sink.MQTT.Source)))
	}
	return fingerprint(hex.EncodeToString(h.Sum(nil)))
}

// digest writes what n holds, without where it stands, how it is quoted and in what order its keys are.
func (c *Config) digest(h io.Writer, n *yaml.Node, without ...*yaml.Node) {
	if n == nil {
		return
	}
	fmt.Fprintf(h, "%d %s %d %s ", n.Kind, n.Tag, len(n.Value), n.Value)
	if n.Kind != yaml.MappingNode {
		for _, item := range n.Content {
			c.digest(h, item)
		}
		fmt.Fprint(h, "; ")
		return
	}
	keys := make([]int, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		keys = append(keys, i)
	}
	slices.SortFunc(keys, func(a, b int) int { return strings.Compare(n.Content[a].Value, n.Content[b].Value) })
	for _, i := range keys {
		key, value := n.Content[i], n.Content[i+1]
		if slices.Contains(without, value) {
			continue
		}
		fmt.Fprintf(h, "%d %s ", len(key.Value), key.Value)
		c.digest(h, value, without...)
		if file, ok := c.namedFile(key, value); ok {
			digestFile(h, file)
		}
	}
	fmt.Fprint(h, "; ")
}

// namedFile is the file that a key such as password_file or ca_file names.
func (c *Config) namedFile(key, value *yaml.Node) (string, bool) {
	if !strings.HasSuffix(key.Value, "_file") || value.Kind != yaml.ScalarNode || value.Value == "" {
		return "", false
	}
	if filepath.IsAbs(value.Value) {
		return value.Value, true
	}
	return filepath.Join(filepath.Dir(c.file), value.Value), true
}

func digestFile(h io.Writer, name string) {
	data, err := readFile(name)
	if err != nil {
		fmt.Fprintf(h, "%s: %s ", name, reason(err))
		return
	}
	sum := sha256.Sum256(data)
	fmt.Fprintf(h, "%s: %x ", name, sum)
}

// namedFiles lists all files that edge.yaml names, so that they are watched like itself: a certificate that
// was renewed, a password that was rotated, take effect without a hand.
func (c *Config) namedFiles() (names []string) {
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for i, item := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 1 {
				if file, ok := c.namedFile(n.Content[i-1], item); ok {
					names = append(names, file)
				}
			}
			walk(item)
		}
	}
	walk(c.root)
	slices.Sort(names)
	return slices.Compact(names)
}
