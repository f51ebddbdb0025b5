// Runs the guide's Go client as it is printed: tests/guide/run compiles this file together with
// go/update_container.go. See README.md beside that script.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
)

var checked int

func check(what string, holds bool, seen interface{}) {
	checked++
	if !holds {
		fmt.Printf("FAILED: %s; seen: %v\n", what, seen)
		os.Exit(1)
	}
	fmt.Printf("ok: %s\n", what)
}

func main() {
	url := strings.TrimSuffix(os.Getenv("WHARFINGER_URL"), "/")
	user, pass, cuid := os.Getenv("WHARFINGER_USER"), os.Getenv("WHARFINGER_PASS"), os.Getenv("WHARFINGER_CUID")

	err := updateContainer(url, cuid, user, pass)
	check("updateContainer succeeds", err == nil, err)

	request, _ := http.NewRequest("GET", url+"/containers/"+cuid, nil)
	request.SetBasicAuth(user, pass)
	answer, err := http.DefaultClient.Do(request)
	check("the container can be read", err == nil && answer.StatusCode == 200, err)
	body, _ := io.ReadAll(answer.Body)
	var shown struct {
		Env       map[string]string
		Tags      []string
		Resources struct{ Memory interface{} }
		Status    string
	}
	err = json.Unmarshal(body, &shown)
	check("the answer is a container", err == nil, string(body))
	_, old := shown.Env["OLD_VAR"]
	check("env: NEW_VAR is set, OLD_VAR removed, the others kept",
		shown.Env["NEW_VAR"] == "value" && !old && shown.Env["KEPT"] == "kept", shown.Env)
	check("tags are replaced", reflect.DeepEqual(shown.Tags, []string{"updated", "v2"}), shown.Tags)
	check("resources: the memory is set", shown.Resources.Memory != nil, string(body))
	check("the container runs on", shown.Status == "running", shown.Status)

	err = updateContainer(url, cuid, user, pass+"x")
	check("a wrong password is status 401", err != nil && err.Error() == "update failed with status: 401", err)
	fmt.Printf("go: %d checks hold\n", checked)
}
