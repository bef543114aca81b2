// A mapping of named keys, each bound to a place in a struct.
//
// The binding is a row of pointers to members, so that a key may be anywhere in the file without
// the struct looking like the file: Key::At<&Route::bridge, &BridgeOptions::grace>(...).
//
// Thread: any; immutable. Failure: as Type.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "router/yaml/type.h"

namespace tlsbridge::yaml {

template <class M>
struct MemberPointer;
template <class S, class T>
struct MemberPointer<T S::*> {
  using Struct = S;
  using Value = T;
};

struct Key {
  std::string name;
  std::string doc;  // one line
  std::shared_ptr<const Type> type;
  bool required = false;
  void* (*locate)(void* object) = nullptr;

  template <auto First, auto... Rest>
  static auto* Follow(typename MemberPointer<decltype(First)>::Struct* object) {
    auto* member = &(object->*First);
    if constexpr (sizeof...(Rest) == 0) {
      return member;
    } else {
      return Follow<Rest...>(member);
    }
  }

  template <auto... Members, class T>
  static Key At(std::string name, std::shared_ptr<T> type, std::string doc) {
    using Struct =
        typename MemberPointer<std::tuple_element_t<0, std::tuple<decltype(Members)...>>>::Struct;
    using Value =
        std::remove_pointer_t<decltype(Follow<Members...>(static_cast<Struct*>(nullptr)))>;
    static_assert(std::is_base_of_v<TypeOf<Value>, std::remove_const_t<T>>,
                  "the type is not that of the member");
    return {std::move(name), std::move(doc), std::move(type), false,
            [](void* object) -> void* { return Follow<Members...>(static_cast<Struct*>(object)); }};
  }

  // Keys of their own in the file, though of the same struct.
  template <class T>
  static Key Group(std::string name, std::shared_ptr<T> type, std::string doc) {
    return {std::move(name), std::move(doc), std::move(type), false,
            [](void* object) -> void* { return object; }};
  }

  Key Required() && {
    required = true;
    return std::move(*this);
  }
};

class ObjectType {
 public:
  explicit ObjectType(std::vector<Key> keys);

  const std::vector<Key>& keys() const { return keys_; }

  void ReadKeys(const Node& node, const std::string& path, Reading* reading, void* target) const;
  Json KeysSchema(const void* defaults) const;
  // The mapping that a value in its place was probably meant to be; empty for none.
  std::string MappingFor(const Node& node) const;

 private:
  const Key* Find(absl::string_view name) const;

  const std::vector<Key> keys_;
  std::vector<std::string> names_;
};

// `T` needs a default: the reference shows what is in it.
template <class T>
class ObjectOf : public TypeOf<T>, public ObjectType {
 public:
  using ObjectType::ObjectType;

  std::string Describe() const override { return "keys"; }
  Json Schema() const override {
    const T defaults{};
    return KeysSchema(&defaults);
  }
  std::string MeantBy(const Node& node) const override { return MappingFor(node); }
  const ObjectType* object() const override { return this; }

 protected:
  void ReadInto(const Node& node, const std::string& path, Reading* reading,
                T* target) const override {
    ReadKeys(node, path, reading, target);
  }
  Json WriteFrom(const T& /*value*/) const override { return {}; }
};

template <class T>
TypePtr<T> Object(std::vector<Key> keys) {
  return std::make_shared<ObjectOf<T>>(std::move(keys));
}

template <class T>
TypePtr<std::vector<T>> ListOf(TypePtr<T> item, size_t least = 0) {
  return std::make_shared<ListType<T>>(std::move(item), least);
}

template <class T>
TypePtr<std::optional<T>> Optional(TypePtr<T> inner) {
  return std::make_shared<OptionalType<T>>(std::move(inner));
}

}  // namespace tlsbridge::yaml
