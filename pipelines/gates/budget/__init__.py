"""Budget: may this year still promote without a person?"""
