"""What is wrong or doubtful in a question before anything is built: references across tables, units, sizes, what is never used."""
