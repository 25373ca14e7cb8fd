package rules

import (
	"time"

	"gopkg.in/yaml.v3"

	"edge/internal/strictyaml"
)

// What the tests of a rule file hold, as they are written. See docs/testing.md.

// A testSpec is one test of a rule file.
type testSpec struct {
	Name    strictyaml.Text             `yaml:"name,required"`
	Rule    *strictyaml.Text            `yaml:"rule"`
	Input   strictyaml.List[inputSpec]  `yaml:"input,required"`
	Until   *time.Duration              `yaml:"until"`
	Expect  strictyaml.List[expectSpec] `yaml:"expect"`
	Nothing *bool                       `yaml:"nothing"`
	Errors  strictyaml.List[errorSpec]  `yaml:"errors"`
	Tables  *yaml.Node                  `yaml:"tables"`
}

// An inputSpec is a message that comes in, or a file of them.
type inputSpec struct {
	pos           strictyaml.Pos
	At            time.Duration    `yaml:"at"`
	Source        *strictyaml.Text `yaml:"source"`
	Topic         *strictyaml.Text `yaml:"topic"`
	Payload       *yaml.Node       `yaml:"payload"`
	PayloadBase64 *string          `yaml:"payload_base64"`
	File          *string          `yaml:"file,path"`
	Meta          *metaSpec        `yaml:"meta"`
}

// A metaSpec is what the protocol says of a message beside topic and payload.
type metaSpec struct {
	QoS             *byte                  `yaml:"qos"`
	Retain          bool                   `yaml:"retain"`
	ContentType     string                 `yaml:"content_type"`
	ResponseTopic   string                 `yaml:"response_topic"`
	CorrelationData string                 `yaml:"correlation_data"`
	Properties      strictyaml.Map[string] `yaml:"properties"`
}

// An expectSpec is a line of expect: what one output is like, or several in a row.
type expectSpec struct {
	pos           strictyaml.Pos
	At            *time.Duration             `yaml:"at"`
	Sink          *strictyaml.Text           `yaml:"sink"`
	Topic         *string                    `yaml:"topic"`
	Subject       *string                    `yaml:"subject"`
	Path          *string                    `yaml:"path"`
	Payload       *yaml.Node                 `yaml:"payload"`
	PayloadBase64 *string                    `yaml:"payload_base64"`
	Contains      *yaml.Node                 `yaml:"contains"`
	Headers       strictyaml.Map[string]     `yaml:"headers"`
	ID            *string                    `yaml:"id"`
	Count         *int                       `yaml:"count"`
	Nothing       *bool                      `yaml:"nothing"`
	Errors        strictyaml.List[errorSpec] `yaml:"errors"`
}

// An errorSpec is an error of a message that must occur.
type errorSpec struct {
	pos   strictyaml.Pos
	Class string  `yaml:"class,required"`
	Field *string `yaml:"field"`
}

// Validate keeps the place of an input.
func (i *inputSpec) Validate(pos func(key string) strictyaml.Pos, _ *strictyaml.Errors) {
	i.pos = pos("")
}

// Validate keeps the place of a line.
func (e *expectSpec) Validate(pos func(key string) strictyaml.Pos, _ *strictyaml.Errors) {
	e.pos = pos("")
}

// Validate keeps the place of an error.
func (e *errorSpec) Validate(pos func(key string) strictyaml.Pos, _ *strictyaml.Errors) {
	e.pos = pos("")
}

// addresses are the keys of a line that say where an output goes, with their values.
func (e *expectSpec) addresses() map[string]string {
	given := map[string]string{}
	for key, value := range map[string]*string{"topic": e.Topic, "subject": e.Subject, "path": e.Path} {
		if value != nil {
			given[key] = *value
		}
	}
	return given
}
