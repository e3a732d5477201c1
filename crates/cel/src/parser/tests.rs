use super::*;

#[track_caller]
fn check(text: &str, expected: &str) {
    let found = match parse(text) {
        Ok(parsed) => show(&parsed.root),
        Err(issue) => format!("{}: {}", issue.offset, issue.message),
    };
    assert_eq!(found, expected);
}

fn show(expr: &Expr) -> String {
    match &expr.kind {
        Kind::Literal(Literal::Int(value)) => value.to_string(),
        Kind::Literal(literal) => format!("{literal:?}"),
        Kind::Ident(name) => name.to_string(),
        Kind::Select(select) => {
            let test = if select.test { "~" } else { "" };
            format!("{}.{}{test}", show(&select.operand), select.field)
        }
        Kind::Call(call) => {
            let all = call.target.as_deref().into_iter().chain(&call.args).map(show);
            format!("{}({})", call.function, all.collect::<Vec<_>>().join(" "))
        }
        _ => {
            let below: Vec<String> = expr.children().into_iter().map(show).collect();
            format!("<{}>", below.join(" "))
        }
    }
}

#[test]
fn operators_bind_as_they_should() {
    check("1 + 2 * 3 - 4", "_-_(_+_(1 _*_(2 3)) 4)");
    check("a || b && !c", "_||_(a _&&_(b !_(c)))");
    check("a ? b : c ? d : e", "_?_:_(a b _?_:_(c d e))");
    check("a in b == c", "_==_(@in(a b) c)");
    check("-1 - -x", "_-_(-1 -_(x))");
    check("--x", "x");
    check("-9223372036854775808", "-9223372036854775808");
    check("9223372036854775808", "0: invalid int literal");
}

#[test]
fn members_indexes_and_calls_follow_one_another() {
    check("a.b[0].c(1, 2)", "c(_[_](a.b 0) 1 2)");
    check("a.?b[?0]", r#"_[?_](_?._(a String("b")) 0)"#);
    check("has(a.b.c)", "a.b.c~");
    check("has(a)", "3: invalid argument to has() macro");
}

#[test]
fn what_is_no_expression_is_told() {
    check("a +", &format!("3: Syntax error: mismatched input '<EOF>' expecting {OPERANDS}"));
    check("a b", "2: Syntax error: extraneous input 'b' expecting <EOF>");
    check("(a", "2: Syntax error: mismatched input '<EOF>' expecting ')'");
    check("package", "0: reserved identifier: package");
    check("a.all(1, true)", "6: argument must be a simple name");
}

#[test]
fn depth_is_bounded() {
    let deep = |open: &str, close: &str| format!("{}a{}", open.repeat(300), close.repeat(300));
    for text in [deep("(", ")"), deep("[", "]"), deep("", "+a"), deep("f(", ")"), deep("{a:", "}")]
    {
        let issue = parse(&text).err().unwrap();
        assert_eq!(issue.message, "expression recursion limit exceeded: 250");
    }
    assert!(parse(&deep("", "&&a")).is_ok());
    assert!(parse(&deep("!", "")).is_ok());
    let nested = format!("{}true{}", "a.all(x, ".repeat(130), ")".repeat(130));
    assert!(parse(&nested).is_err());
}
