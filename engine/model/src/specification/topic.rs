//! Topic names and topic filters [4.7], and the names of shared subscriptions [4.8.2].

/// Whether a filter matches a topic name.
pub fn matches(filter: &str, topic: &str) -> bool {
    // [MQTT-4.7.2-1] A wildcard in the first level does not match a topic that begins with $.
    if topic.starts_with('$') && (filter.starts_with('#') || filter.starts_with('+')) {
        return false;
    }
    let filter: Vec<&str> = filter.split('/').collect();
    let topic: Vec<&str> = topic.split('/').collect();
    levels_match(&filter, &topic)
}

fn levels_match(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        // [MQTT-4.7.1-1] `#` stands for any number of levels, none included: `sport/#` matches `sport`.
        (["#"], _) | ([], []) => true,
        (["+", filter @ ..], [_, topic @ ..]) => levels_match(filter, topic),
        ([level, filter @ ..], [name, topic @ ..]) if level == name => levels_match(filter, topic),
        _ => false,
    }
}

/// The parts of `$share/NAME/FILTER` [MQTT-4.8.2-1]; `None` for a filter that is not shared.
pub fn shared(filter: &str) -> Option<(&str, &str)> {
    filter.strip_prefix("$share/")?.split_once('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of sections 4.7.1 to 4.7.3.
    #[test]
    fn examples_of_the_standard() {
        for topic in ["sport/tennis/player1", "sport/tennis/player1/ranking"] {
            assert!(matches("sport/tennis/player1/#", topic), "{topic}");
        }
        assert!(matches("sport/#", "sport") && matches("#", "sport"));
        assert!(matches("sport/tennis/+", "sport/tennis/player1"));
        assert!(!matches("sport/tennis/+", "sport/tennis/player1/ranking"));
        assert!(!matches("sport/+", "sport") && matches("sport/+", "sport/"));
        assert!(matches("+/+", "/finance") && matches("/+", "/finance") && !matches("+", "/finance"));
        assert!(!matches("#", "$SYS/x") && !matches("+/monitor/Clients", "$SYS/monitor/Clients"));
        assert!(matches("$SYS/#", "$SYS/x") && matches("$SYS/monitor/+", "$SYS/monitor/Clients"));
        assert!(!matches("ACCOUNTS", "Accounts"));
        assert_eq!(shared("$share/consumer/sport/+"), Some(("consumer", "sport/+")));
        assert_eq!(shared("sport/#"), None);
    }
}
