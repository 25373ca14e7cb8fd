package strictyaml
import ("testing";"fmt";"strings";"time")
func TestExp(t *testing.T){
 var b strings.Builder
 for i:=0;b.Len()<4<<20-400;i++ { fmt.Fprintf(&b,"rule_%d:\n  when: payload.a == 1\n  map:\n    x: payload.x\n    y: round(payload.y, 3)\n",i)}
 good:=b.String()
 bad := strings.Replace(good, "payload.x\n", "a ? b : c\n", 40)
 for n,s:=range map[string]string{"good":good,"bad end":good+"a: !x[\"\n","many":bad, "open quote":"a: \"x\n"+good, "deep":strings.Repeat("[",4<<20), "nestedkeys":strings.Repeat("{a: ",1<<20), "dashes": strings.Repeat("- ",2<<20), "q":strings.Repeat("? ",2<<20), "commas":"a: ["+strings.Repeat("a,",2<<20)[:4<<20-10]+"]", "opens":"a: ["+strings.Repeat("(,",2<<20)[:4<<20-10]+"]", "dollar":"a: "+strings.Repeat("$${",1<<20)} {
  var errs Errors
  at:=time.Now()
  r:=(&Loader{}).Parse("f",[]byte(s),&errs)
  e:=""; if len(errs)>0 {e=errs[0].Error()}
  if len(e)>150 {e=e[:150]}
  fmt.Println(n,time.Since(at).Round(time.Millisecond),r!=nil,len(errs),e)
 }
}
