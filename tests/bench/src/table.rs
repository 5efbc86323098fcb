//! Tables in Markdown, so that they can be pasted as they are.

/// Prints the rows, the first of which is the head, with aligned columns.
pub fn print(rows: &[Vec<String>]) {
    let Some(first) = rows.first() else { return };
    let widths: Vec<_> = (0..first.len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        println!("| {} |", cells.join(" | "));
        if number == 0 {
            let lines: Vec<_> = widths.iter().map(|&width| "-".repeat(width)).collect();
            println!("| {} |", lines.join(" | "));
        }
    }
    println!();
}
