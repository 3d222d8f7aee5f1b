# Pickles its own classes and copies nested structures.
# stdout:
# |leaf True
# |True False True
# wrote: state.pkl
import copy
import pickle


class Node:
    def __init__(self, name):
        self.name = name
        self.children = []


root = Node("root")
root.children.append(Node("leaf"))
root.children.append(root)
with open("state.pkl", "wb") as file:
    pickle.dump(root, file)
with open("state.pkl", "rb") as file:
    back = pickle.load(file)
print(back.children[0].name, back.children[1] is back)
shallow, deep = copy.copy(root), copy.deepcopy(root)
print(shallow.children is root.children, deep.children is root.children, deep.children[1] is deep)
