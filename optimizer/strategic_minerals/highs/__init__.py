"""highs"""
