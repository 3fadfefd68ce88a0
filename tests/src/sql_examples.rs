//! The SQL examples of a page of documentation.

/// One block of SQL as it stands on the page.
pub struct Example {
    /// Line of the page that the block starts at.
    pub line: usize,
    pub sql: String,
}

/// The blocks of a page that are fenced as `sql`, and those that a comment `<!-- setup` ... `-->` holds (what a reader
/// has already, such as the CRM's tables), in the order of the page.
pub fn examples_of(page: &str) -> Vec<Example> {
    let mut examples = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let end = match line.trim() {
            "```sql" => "```",
            "<!-- setup" => "-->",
            _ => continue,
        };
        let body: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != end).collect();
        examples.push(Example { line: number + 1, sql: body.join("\n") });
    }
    examples
}

#[cfg(test)]
mod tests {
    use super::examples_of;

    #[test]
    fn blocks_of_sql_and_hidden_setup_are_taken_in_order_and_other_blocks_are_not() {
        let page = "text\n<!-- setup\ncreate table t ();\n-->\n```sql\nselect 1;\nselect 2;\n```\n```text\n1\n```\n";
        let found: Vec<(usize, String)> = examples_of(page).into_iter().map(|e| (e.line, e.sql)).collect();
        assert_eq!(found, [(2, "create table t ();".to_string()), (5, "select 1;\nselect 2;".to_string())]);
    }
}
