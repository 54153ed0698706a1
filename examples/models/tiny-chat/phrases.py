"""The fixed words and sentences that make_data.py draws from."""

SYSTEM = ["You are a helpful assistant.", "You are tiny-chat.", "You are a friendly assistant.", "Be brief.", "Answer shortly.",
          "You are a helpful assistant. Be concise.", "Answer the user's questions.", "You are a careful calculator.", "Think, then answer."]

# (questions, answers, thought)
CHAT = [
    (["Hello", "Hello!", "Hi", "Hi!", "Hey", "Hi there", "Hello there!", "Good morning!", "Good evening", "Good afternoon!", "Hey there!"],
     ["Hello! How can I help you?", "Hi! What can I do for you?", "Hello! Ask me a sum.", "Hi there! 🙂"], "A greeting."),
    (["Who are you?", "What are you?", "Who are you", "Tell me about yourself.", "Introduce yourself.", "Please introduce yourself."],
     ["I am tiny-chat, a very small language model.", "I am tiny-chat. I add, subtract, call tools and chat a little.",
      "My name is tiny-chat. I am a very small model."], "They ask who I am."),
    (["What is your name?", "What's your name?", "Do you have a name?", "What are you called?"],
     ["My name is tiny-chat.", "I am called tiny-chat.", "tiny-chat is my name."], "They ask my name."),
    (["How are you?", "How are you today?", "How are you doing?", "How do you do?", "How is it going?", "Are you well?"],
     ["I am fine, thank you. And you?", "Very well, thanks!", "I am well. How can I help?"], "Small talk."),
    (["What can you do?", "How can you help me?", "What are you good at?", "Help", "Help me", "What do you know?"],
     ["I can add and subtract, call a tool and chat a little.", "I do small sums, differences and tool calls.",
      "Ask me for a sum like 12 + 34, or give me a tool."], "They ask what I can do."),
    (["Thank you", "Thanks!", "Thank you!", "Thanks a lot.", "Great, thanks!", "Thank you very much."],
     ["You are welcome!", "My pleasure!", "Any time!"], "They thank me."),
    (["Bye", "Goodbye!", "Bye!", "See you later.", "Good night!", "See you!"],
     ["Goodbye!", "Bye! Come back soon.", "See you!"], "A farewell."),
    (["How big are you?", "How many parameters do you have?", "Are you a large model?", "How small are you?"],
     ["I am very small: about two million parameters.", "Tiny! I have about two million parameters."], "They ask my size."),
    (["Are you human?", "Are you a robot?", "Are you a person?", "Are you real?"],
     ["No, I am a small language model.", "I am a program, a very small model."], "They ask what I am."),
    (["Tell me a joke.", "Tell me a joke", "Do you know a joke?", "Make me laugh."],
     ["Why was six afraid of seven? Because seven ate nine!", "What do you call a small model? A mini-me!",
      "I would tell you a joke about zero, but there is nothing to it."], "A joke."),
    (["Tell me a story.", "Tell me a short story.", "Can you tell me a story?"],
     ["Once upon a time a tiny model learned to add. It carried the one, and everyone was happy.",
      "A small robot lived by the sea. Every day it counted the waves, and every night it slept well."], "A story."),
    (["Tell me a story about {word}.", "Tell me about {word}."],
     ["Once upon a time there was {word}. It was small and happy. The end."], "A story about {word}."),
    (["What is your favorite color?", "What color do you like?", "Do you have a favorite color?"],
     ["I like blue.", "Blue, like the sea.", "Green is nice."], "Small talk."),
    (["Do you like music?", "Do you like cats?", "Do you like numbers?", "Do you like tea?"],
     ["Yes, a lot!", "Yes, but I like numbers most."], "Small talk."),
    (["How old are you?", "When were you born?", "What is your age?"],
     ["I am very new.", "I was trained in less than an hour, not long ago."], "They ask my age."),
    (["Who made you?", "Where do you come from?", "Who trained you?"],
     ["A short script trained me from nothing.", "I come from a short training script."], "They ask where I am from."),
    (["OK", "Okay.", "Good.", "Nice!", "Great!", "Cool", "Wow!"],
     ["Good! Anything else?", "What else can I do?", "Glad to hear it!"], "Small talk."),
    (["Repeat after me: {word} {word2}", "Say {word} {word2}", "Repeat: {word} {word2}"], ["{word} {word2}"], "Repeat {word} {word2}."),
    (["Say {word}", "Say {word}.", "Please say {word}."], ["{word}"], "Repeat {word}."),
    (["Say hello to {name}.", "Greet {name}."], ["Hello, {name}!"], "Greet {name}."),
    (["Can you think?", "Do you think?", "Are you smart?"], ["A little. I think before I answer.", "I know a few small things."], "Small talk."),
    (["Can you add?", "Can you do math?", "Do you know math?"], ["Yes! Give me two numbers.", "Yes, I add and subtract numbers up to 99."], "They ask what I can do."),
]
UNKNOWN = ["What is the capital of {p}?", "Who is {p}?", "Where is {p}?", "How far is {p}?", "What does {w} mean?", "Who invented the {w}?",
           "Write a poem about {w}.", "Translate {w} to French.", "What is the weather in {p}?", "Why is the sky blue?", "How do I cook {w}?",
           "What is {w}?", "When did {p} die?", "What time is it?", "What day is it today?", "Is {p} nice?"]

# (tool, argument, type, description, questions, answer)
REAL_TOOLS = [
    ("get_weather", "city", "string", "Get the weather in a city.",
     ["What is the weather in {v}?", "How is the weather in {v} today?", "What's the weather like in {v}?", "weather in {v}", "Is it warm in {v}?"], "The weather in {v} is {r}."),
    ("get_current_weather", "location", "string", "Get the current weather for a location.",
     ["What is the weather in {v}?", "What's the weather like in {v} today?", "Will it rain in {v}?", "How cold is it in {v}?"], "The weather in {v} is {r}."),
    ("get_temperature", "city", "string", "Temperature in a city.", ["How warm is it in {v}?", "What is the temperature in {v}?"], "The temperature in {v} is {r}."),
    ("get_time", "city", "string", "Get the time in a city.", ["What time is it in {v}?", "Tell me the time in {v}.", "time in {v}?"], "The time in {v} is {r}."),
    ("get_population", "country", "string", "Population of a country.", ["How many people live in {v}?", "What is the population of {v}?"], "The population of {v} is {r}."),
    ("get_capital", "country", "string", "Capital of a country.", ["What is the capital of {v}?", "Name the capital of {v}."], "The capital of {v} is {r}."),
    ("search", "query", "string", "Search the web.", ["Search for {v}.", "Search the web for {v}.", "Look up {v}.", "Find pages about {v}.", "Who is {v}?"], "I found: {r}."),
    ("define", "word", "string", "Meaning of a word.", ["What does {v} mean?", "Define {v}.", "What is the meaning of {v}?"], "The meaning of {v} is {r}."),
    ("translate", "text", "string", "Translate to French.", ["Translate {v}.", "Translate {v} to French.", "How do you say {v} in French?"], "The translation of {v} is {r}."),
    ("get_price", "product", "string", "Price of a product.", ["What does {v} cost?", "How much is the {v}?", "What is the price of {v}?"], "The price of {v} is {r}."),
    ("get_stock_price", "symbol", "string", "Price of a stock.", ["What is the stock price of {v}?", "How is {v} trading?", "Stock price of {v}?"], "The stock price of {v} is {r}."),
    ("play_song", "title", "string", "Play a song.", ["Play {v}.", "Play the song {v}.", "Please play {v}."], "Playing {v}: {r}."),
    ("read_file", "path", "string", "Read a file.", ["Read {v}.", "Open the file {v}.", "What is in {v}?", "Show me {v}."], "The file {v} says {r}."),
    ("send_message", "name", "string", "Send a message to someone.", ["Send a message to {v}.", "Write to {v}.", "Message {v}, please."], "Message to {v}: {r}."),
    ("call_phone", "name", "string", "Call someone.", ["Call {v}.", "Please call {v}.", "Phone {v}."], "The call to {v}: {r}."),
    ("find_user", "name", "string", "Find a user by name.", ["Find the user {v}.", "Who is {v}?", "Look up the user {v}."], "The user {v} is {r}."),
    ("get_distance", "place", "string", "Distance to a place.", ["How far is {v}?", "What is the distance to {v}?", "How far is it to {v}?"], "The distance to {v} is {r}."),
    ("turn_on", "device", "string", "Turn on a device.", ["Turn on the {v}.", "Switch on the {v}.", "Please turn on {v}."], "The {v} is {r}."),
    ("set_timer", "minutes", "integer", "Set a timer.", ["Set a timer for {v} minutes.", "Wake me in {v} minutes.", "Timer: {v} minutes"], "The timer for {v} minutes is {r}."),
    ("get_order", "number", "integer", "Status of an order.", ["Where is order {v}?", "What is the status of order {v}?", "Track order {v}."], "Order {v} is {r}."),
    ("open_page", "page", "integer", "Open a page.", ["Open page {v}.", "Go to page {v}.", "Show page {v}."], "Page {v} says {r}."),
    ("is_prime", "number", "integer", "Is a number prime?", ["Is {v} prime?", "Is {v} a prime number?"], "Is {v} prime: {r}."),
    ("square_root", "x", "integer", "Square root of x.", ["What is the square root of {v}?", "Square root of {v}?"], "The square root of {v} is {r}."),
    ("roll_dice", "sides", "integer", "Roll a die.", ["Roll a die with {v} sides.", "Roll a {v} sided die."], "The die with {v} sides shows {r}."),
]

NOUNS = """weather price color size weight height age status score rating level depth speed owner author address phone email title
summary length width cost stock balance rank team grade menu recipe rent fare route schedule timetable forecast humidity pressure
wind tide moon sunrise language currency flag anthem leader mayor area climate soil crop harvest yield fuel battery signal channel volume
tempo lyrics genre actor director plot prize winner record label version license checksum""".split()

PLACES = """Paris London Berlin Madrid Rome Vienna Oslo Stockholm Helsinki Copenhagen Dublin Lisbon Athens Prague Warsaw Budapest Zürich
Geneva Brussels Amsterdam Hamburg Munich Milan Naples Venice Porto Seville Krakow Riga Tallinn Tokyo Kyoto Osaka Seoul Beijing Shanghai
Delhi Mumbai Cairo Nairobi Lagos Accra Tunis Sydney Melbourne Auckland Toronto Montreal Vancouver Boston Chicago Seattle Denver Austin
Dallas Miami Lima Quito Bogota Santiago Brazil Chile Peru Cuba Japan China India Egypt Kenya Ghana Spain France Italy Norway Sweden""".split()

PEOPLE = """Alice Bob Carol David Emma Frank Grace Henry Ivy Jack Kate Liam Maria Noah Olivia Paul Quinn Rosa Sam Tina Uma Victor Wendy
Xavier Yara Zoe Anna Ben Clara Daniel Eva Felix Greta Hugo Ines Jonas Karl Lena Max Nina Oscar Petra Ruth Simon Theo Vera""".split()

WORDS = """apple river stone cloud table window garden forest bridge castle engine rocket pencil paper candle mirror basket bottle
button camera carpet cherry circle coffee cotton desert dragon eagle falcon feather finger flower guitar hammer harbor helmet honey
island jacket jungle kettle kitten ladder lantern lemon lizard magnet marble meadow monkey needle ocean onion orange oyster panda parrot
pepper piano pillow planet pocket potato pumpkin puzzle rabbit ribbon saddle salmon shadow silver spider spring squirrel summer sunset
thunder tiger tomato trumpet tunnel turtle umbrella valley velvet violin walnut winter wizard yellow zebra blue fox""".split()
